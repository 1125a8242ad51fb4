"""The skeleton of every service: who calls, what the body is, what an error becomes, whether the service is able.

Service:   `create_service`, `description_of`, `Route`, `RouteDoc`, `Incoming`, `Answer`, `RefusedMessage`,
           `Component`, `utc_now`, `SERVICE_OF_ROLE`.
Bodies:    `JsonNumber` (a number as its exact text), `parse_object`.
Identity:  `IdentityVerifier`, `IssuerKeys`, `sign_body` (what a signing webhook sends).
Settings:  `ServiceSettings`, `Email`, `Emails`, `Names`, `ServiceUrl`.
Documents: `openapi_document`, `ServiceDescription`.
Served by gunicorn with `shared/http/gunicorn_conf.py`.
"""

from shared.http.body import JsonNumber, parse_object
from shared.http.health import Component
from shared.http.identity import IdentityVerifier, IssuerKeys
from shared.http.openapi import ServiceDescription, openapi_document
from shared.http.roles import SERVICE_OF_ROLE
from shared.http.routing import Answer, Incoming, RefusedMessage, RefuseMessage, Route, RouteDoc
from shared.http.service import create_service, description_of, utc_now
from shared.http.settings import Email, Emails, Names, ServiceSettings, ServiceUrl
from shared.http.signature import sign_body

__all__ = [
    "SERVICE_OF_ROLE",
    "Answer",
    "Component",
    "Email",
    "Emails",
    "IdentityVerifier",
    "Incoming",
    "IssuerKeys",
    "JsonNumber",
    "Names",
    "RefuseMessage",
    "RefusedMessage",
    "Route",
    "RouteDoc",
    "ServiceDescription",
    "ServiceSettings",
    "ServiceUrl",
    "create_service",
    "description_of",
    "openapi_document",
    "parse_object",
    "sign_body",
    "utc_now",
]
