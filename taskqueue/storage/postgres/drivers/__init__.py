"""Runs our SQL on connections that users have opened, with whichever driver.

connection ─▶ recognition ─▶ asyncpg_session | psycopg_session ─▶ one call, whole or not at all
"""
