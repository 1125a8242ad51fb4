"""The security suite: what an attacker tries, on the five services' real applications and the real database.

One process holds them all (`house`); identities, tokens, bodies and paths are forged (`identities`, `tokens`,
`mutations`), and after every attack all rows and all tasks are counted (`House.standing`).
"""
