"""The watcher: reads an order at the exchange just before it is paid, and tells the conductor what it saw.

Does: compares the order as the exchange shows it with what is about to be paid.
Never does: decides anything; keeps anything (it has no database); touches the wallet.
Messages in: CheckOrder (from the conductor). Messages out: OrderChecked (to the conductor).
Tables: none.
"""
