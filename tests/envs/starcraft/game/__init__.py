"""A stand-in of StarCraft II that speaks its API: what the real packages play on in tests.

`installation` lays it out as the game, `server` listens, `faults` breaks it on request,
`protocol` answers, `battle` fights by the rules of `kinds`, `maps` says who.
"""
