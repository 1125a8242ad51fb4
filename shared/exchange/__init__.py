"""The exchange as the fleet sees it: limits, quotes, one order per request, and what an order says of itself.

Port and values:  `Exchange`; `Pair`, `ETH_TO_USDT`, `Limits`, `Quote`, `OrderRequest`, `Order`; `Creation` = `Created`,
                  `OrderMismatch` (`Mismatch`), `RefusedByExchange` (`RefusalKind`) or `Unclear`;
                  `Reading` = `OrderSeen` (`ExchangeStatus`), `NotFound` or `Unreadable`.
Real one:         `ChangeNow`, `ExchangeSettings`, `check_created`, `is_order_id`.
Trouble:          `ExchangeUnreadable`, `QuoteRefused`.
"""

from shared.exchange.agreement import check_created, is_order_id
from shared.exchange.changenow import ChangeNow
from shared.exchange.port import (
    ETH_TO_USDT,
    Created,
    Creation,
    Exchange,
    ExchangeStatus,
    Limits,
    Mismatch,
    NotFound,
    Order,
    OrderMismatch,
    OrderRequest,
    OrderSeen,
    Pair,
    Quote,
    Reading,
    RefusalKind,
    RefusedByExchange,
    Unclear,
    Unreadable,
)
from shared.exchange.settings import ExchangeSettings
from shared.exchange.trouble import ExchangeUnreadable, QuoteRefused

__all__ = [
    "ETH_TO_USDT",
    "ChangeNow",
    "Created",
    "Creation",
    "Exchange",
    "ExchangeSettings",
    "ExchangeStatus",
    "ExchangeUnreadable",
    "Limits",
    "Mismatch",
    "NotFound",
    "Order",
    "OrderMismatch",
    "OrderRequest",
    "OrderSeen",
    "Pair",
    "Quote",
    "QuoteRefused",
    "Reading",
    "RefusalKind",
    "RefusedByExchange",
    "Unclear",
    "Unreadable",
    "check_created",
    "is_order_id",
]
