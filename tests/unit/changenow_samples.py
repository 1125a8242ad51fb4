"""ChangeNOW's answers as its documentation shows them, for the tests of our client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import responses
import stamina
from pydantic import SecretStr

from shared.exchange import ETH_TO_USDT, ChangeNow, ExchangeSettings, OrderRequest
from shared.money import Ether

KEY = "s3cret-partner-key"
URL = "https://api.changenow.io/v2"
ORDER_ID = "3a2360771439a3"
PAYIN = "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922"
HOST = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
REFUND = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
REQUEST = OrderRequest(ETH_TO_USDT, Ether.parse("0.05"), HOST, REFUND)

CREATED = (
    '{"id":"3a2360771439a3","fromAmount":0.05,"toAmount":165.558791,"flow":"standard","type":"direct",'
    f'"payinAddress":"{PAYIN}","payoutAddress":"{HOST}","fromCurrency":"eth","fromNetwork":"eth","toCurrency":"usdt",'
    f'"toNetwork":"eth","refundAddress":"{REFUND}","refundExtraId":"","payinExtraId":"","payoutExtraId":"",'
    '"validUntil":null}'
)
SEEN = (
    '{"id":"3a2360771439a3","status":"sending","actionsAvailable":false,"fromCurrency":"eth","fromNetwork":"eth",'
    '"toCurrency":"usdt","toNetwork":"eth","expectedAmountFrom":0.05,"expectedAmountTo":165.558791,"amountFrom":5e-2,'
    f'"amountTo":null,"payinAddress":"{PAYIN}","payoutAddress":"{HOST.lower()}","payinExtraId":null,'
    f'"payoutExtraId":null,"refundAddress":"{REFUND}","refundExtraId":null,"createdAt":"2026-11-24T11:49:07.139Z",'
    '"updatedAt":"2026-11-24T11:53:15.759Z","validUntil":null,"depositReceivedAt":"2026-11-24T11:50:47.122Z",'
    '"payinHash":"0x6703","payoutHash":null,"fromLegacyTicker":"eth","toLegacyTicker":"usdterc20","refundHash":null,'
    '"refundAmount":null,"userId":null,"relatedExchangesInfo":[],"repeatedExchangesInfo":[],"originalExchangeInfo":null}'
)
RANGE = '{"fromCurrency":"eth","flow":"standard","minAmount":0.0005906,"maxAmount":null}'
ESTIMATE = (
    '{"fromCurrency":"eth","flow":"standard","type":"direct","rateId":null,"validUntil":null,"warningMessage":null,'
    '"depositFee":0.00011,"withdrawalFee":0.7370513,"userId":null,"fromAmount":0.05,"toAmount":163.887476}'
)


def an_exchange(*own_addresses: str, previous: str | None = None) -> ChangeNow:
    """The client with its default settings; during a rotation with the key before, too."""
    before = None if previous is None else SecretStr(previous)
    settings = ExchangeSettings(changenow_api_key=SecretStr(KEY), changenow_api_key_previous=before)
    return ChangeNow(settings, own_addresses)


@contextmanager
def scripted() -> Iterator[responses.RequestsMock]:
    """ChangeNOW as a script; waits between tries take no time."""
    with responses.RequestsMock() as script, stamina.set_testing(True, attempts=4):
        yield script
