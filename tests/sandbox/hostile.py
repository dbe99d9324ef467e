"""Statements that take too long or need too much, whoever may run them."""

_LONG = "hex(zeroblob(7000000))"
_UNLIKE = "substr(hex(zeroblob(450)), 1, 900) || '1"

# Each takes minutes in a single step of SQLite, between two of which nothing is asked.
ENDLESS_STEPS = {
    "like": f"SELECT {_LONG} LIKE '%' || {_UNLIKE}%'",
    "glob": f"SELECT {_LONG} GLOB '*' || {_UNLIKE}*'",
    "instr": f"SELECT instr({_LONG}, hex(zeroblob(3000000)) || '1')",
    "replace": f"SELECT replace({_LONG}, hex(zeroblob(3000000)) || '1', '')",
}

_HUNDRED = "WITH n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 100)"

TOO_LARGE = {
    "a value": "SELECT zeroblob(17000000)",
    "hexadecimals": "SELECT hex(zeroblob(9000000))",
    "a pattern": f"SELECT 'a' LIKE '{'%a' * 600}'",
    "a wide row": f"SELECT {', '.join(['hex(zeroblob(4000000))'] * 1000)}",
    "a sorted result": f"{_HUNDRED} SELECT count(*) FROM"
    " (SELECT n || hex(zeroblob(2000000)) AS b FROM n ORDER BY b) GROUP BY b",
    "a transaction": f"{_HUNDRED} INSERT INTO mine SELECT zeroblob(4000000) FROM n",
    "a statement": f"SELECT '{'a' * 1_100_000}'",
    "an expression": f"SELECT {'(' * 600}1{')' * 600}",
}

_FOREVER = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n)"

# These can be interrupted.
ENDLESS = (
    f"{_FOREVER} SELECT count(*) FROM n",
    f"{_FOREVER} INSERT INTO mine SELECT n FROM n",
    f"{_FOREVER} SELECT group_concat(n) FROM n",
    f"{_FOREVER} SELECT max(n) OVER (ORDER BY -n) FROM n",
    f"{_FOREVER} SELECT count(randomblob(1000000)) FROM n",
    f"SELECT count(*) FROM {', '.join(f'sqlite_master AS m{n}' for n in range(9))}",
)
