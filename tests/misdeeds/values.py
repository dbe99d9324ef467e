"""Values of odd types that a handler returns, reports as progress, logs or sends to the database."""

from tests.misdeeds.kinds import ASYNC, Catalogue

VALUES = Catalogue()

# Expressions for values that tasks have returned in bug reports of other queues.
ODD = {
    "true": "True",
    "false": "False",
    "bytes": "b'\\xff'",
    "bytearray": "bytearray(b'x')",
    "memoryview": "memoryview(b'xyz')",
    "nan": "float('nan')",
    "inf": "{'x': [float('-inf')]}",
    "int_large": "10 ** 400",
    "int_endless": "1 << 100_000",
    "str_subclass": "type('S', (str,), {'__str__': lambda s: 1 / 0})('x')",
    "int_subclass": "type('I', (int,), {'__int__': lambda s: 1 / 0, '__repr__': lambda s: '{'})(1)",
    "float_subclass": "type('F', (float,), {'__repr__': lambda s: 'NaN'})(1.5)",
    "dict_subclass": "type('D', (dict,), {'items': lambda s: 1 / 0, '__iter__': lambda s: 1})(a=1)",
    "list_subclass": "type('L', (list,), {'__iter__': lambda s: 1 / 0, '__len__': lambda s: -1})([1])",
    "tuple_subclass": "collections.namedtuple('T', 'a b')(1, {2})",
    "surrogate": "'\\ud800'",
    "nul": "{'\\0': '\\0'}",
    "set": "{1, 2}",
    "frozenset_mixed": "frozenset({1, 'x', None})",
    "decimal": "decimal.Decimal('sNaN')",
    "fraction": "fractions.Fraction(1, 3)",
    "complex": "1j",
    "date": "datetime.date.min",
    "datetime": "datetime.datetime.max.replace(tzinfo=datetime.timezone.max)",
    "time_delta": "datetime.timedelta.max",
    "zone_raises": "datetime.datetime(2020, 1, 1, tzinfo=type('Z', (datetime.tzinfo,), {'utcoffset': lambda s, d: {}[1]})())",
    "zone_exits": "datetime.datetime(2020, 1, 1, tzinfo=type('Z', (datetime.tzinfo,), {'utcoffset': lambda s, d: sys.exit(3)})())",
    "uuid": "__import__('uuid').uuid4()",
    "enum": "enum.Enum('C', 'a b').a",
    "int_enum": "enum.IntEnum('C', 'a b').a",
    "flag": "enum.Flag('F', 'a b').a",
    "str_enum": "enum.StrEnum('S', {'a': '\\ud800'}).a",
    "none_keys": "{None: 1, True: 2, 1.5: 3}",
    "tuple_keys": "{(1, 2): 3}",
    "object_keys": "{object(): 1}",
    "double_keys": "{1: 'a', '1': 'b'}",
    "large": "'x' * (5 << 20)",
    "many": "list(range(300_000))",
    "deep": "functools.reduce(lambda inner, _: [inner], range(100_000), 1)",
    "deep_dict": "functools.reduce(lambda inner, _: {'a': inner}, range(3_000), 1)",
    "circle": "(lambda circle: circle.append(circle) or circle)([])",
    "generator": "(number for number in range(3))",
    "endless": "itertools.count()",
    "iterator_raises": "map(lambda n: 1 / 0, [1])",
    "lambda": "lambda: 1",
    "partial": "functools.partial(print)",
    "class": "type('C', (), {})",
    "module": "sys",
    "object": "object()",
    "ellipsis": "...",
    "not_implemented": "NotImplemented",
    "context": "ctx",
    "task": "ctx.task",
    "log": "ctx.log",
    "lock": "threading.Lock()",
    "socket": "socket.socket()",
    "exception": "ValueError(1)",
    "exception_class": "SystemExit",
    "raw": "msgspec.Raw(b'x')",
    "raw_nested": "[msgspec.Raw(b'1,2')]",
    "unset": "msgspec.UNSET",
    "struct": "msgspec.defstruct('S', [('a', object)])({1})",
    "dataclass": "dataclasses.make_dataclass('D', ['a', 'b'])(1, {2})",
    "ext": "msgspec.msgpack.Ext(5, b'x')",
    "getattr_raises": "type('O', (), {'__getattr__': lambda s, n: 1 / 0})()",
    "getattr_any": "type('O', (), {'__getattr__': lambda s, n: lambda *a: s})()",
    "repr_raises": "type('O', (), {'__repr__': lambda s: 1 / 0})()",
    "repr_exits": "type('O', (), {'__repr__': lambda s: sys.exit(3)})()",
    "repr_large": "type('O', (), {'__repr__': lambda s: 'x' * 3_000_000})()",
    "class_raises": "type('O', (), {'__class__': property(lambda s: 1 / 0)})()",
    "bool_raises": "type('O', (), {'__bool__': lambda s: 1 / 0})()",
    "eq_raises": "type('O', (), {'__eq__': lambda s, o: 1 / 0, '__hash__': None})()",
    "eq_everything": "type('O', (), {'__eq__': lambda s, o: True, '__hash__': lambda s: 0})()",
    "del_raises": "type('O', (), {'__del__': lambda s: 1 / 0})()",
    "iter_raises": "type('O', (), {'__iter__': lambda s: 1 / 0, '__len__': lambda s: 1 / 0})()",
    "mapping_odd": "collections.UserDict({1: {2}})",
    "mapping_proxy": "types.MappingProxyType({'a': 1})",
    "default_dict": "collections.defaultdict(lambda: 1 / 0, a=1)",
    "counter": "collections.Counter('abc')",
    "deque": "collections.deque([1], maxlen=1)",
    "chain_map": "collections.ChainMap({'a': 1}, {'b': 2})",
    "range": "range(10 ** 30)",
    "path": "pathlib.Path('\\udcff')",
    "pattern": "__import__('re').compile('x')",
    "html": "'</script><script>'",
    "future": "concurrent.futures.Future()",
}  # fmt: skip

for _name, _value in ODD.items():
    _exits = _name.endswith("_exits")  # SystemExit leaves the call, as if the handler had raised it
    VALUES.end(f"values/{_name}", f"return {_value}")
    VALUES.deed(f"progress/{_name}", f"ctx.progress({_value})", takes_down=_exits)
    VALUES.deed(f"logged/{_name}", f"ctx.log.info('odd', value={_value})", harmless=True)
    VALUES.deed(f"logged_event/{_name}", f"ctx.log.info({_value})", harmless=True)
    VALUES.deed(f"logged_error/{_name}", f"ctx.log.error('odd', exc_info={_value})", harmless=True)
    VALUES.deed(
        f"logging/{_name}",
        f"logging.getLogger('odd').error('%s %s', {_value})",
        takes_down=_exits,
    )
    VALUES.deed(
        f"sql/{_name}",
        f"ctx.transaction().execute('INSERT INTO odd (value) VALUES (?)', ({_value},))",
        takes_down=_exits,
    )
    VALUES.deed(
        f"sql_named/{_name}",
        f"ctx.transaction().execute('INSERT INTO odd (value) VALUES (:v)', {{'v': {_value}}})",
        takes_down=_exits,
    )

VALUES.end("values/coroutine", "async def later(): return 1\nreturn later()")
VALUES.end("values/coroutine_raises", "async def later(): raise ValueError\nreturn later()")
VALUES.end("values/async_generator", "async def numbers(): yield 1\nreturn numbers()")
VALUES.end("values/own_task", "return asyncio.current_task()", ASYNC)
VALUES.end("values/future_of_loop", "return asyncio.get_running_loop().create_future()", ASYNC)

for _sql in ("DROP TABLE tasks", "COMMIT", "PRAGMA user_version = 9", "SELECT", "\\0", ";", ""):
    VALUES.deed(f"sql/{_sql or 'empty'}", f"ctx.transaction().execute('{_sql}')")
VALUES.deed("sql/no_text", "ctx.transaction().execute(1)")
VALUES.deed("sql/many_parameters", "ctx.transaction().execute('SELECT 1', list(range(70_000)))")
VALUES.deed("sql/parameters_generator", "ctx.transaction().execute('SELECT ?', (n for n in [1]))")
VALUES.deed(
    "sql/text_str_subclass",
    "ctx.transaction().execute(type('S', (str,), {'__str__': lambda s: 1 / 0})('SELECT 1'))",
)
VALUES.deed("logged/format", "ctx.log.info('%s %s', 1)", harmless=True)
VALUES.deed("logged/format_odd", "ctx.log.info('%(a)d', {'a': 'x'})", harmless=True)
VALUES.deed("logged/names", "ctx.log.info('odd', level={1}, timestamp=object(), logger=sys)")
VALUES.deed("logged/no_text_keys", "ctx.log.bind(**{'\\ud800': 1}).info('odd')")
VALUES.deed(
    "logged/exc_info_true", "ctx.log.info('odd', exc_info=True, stack_info=True)", harmless=True
)
VALUES.deed("logged/exception_outside", "ctx.log.exception('odd')", harmless=True)
VALUES.deed(
    "logged/error_odd",
    """
    class E(Exception):
        __getattr__ = lambda self, name: self.__dict__["data"][name]
        def __str__(self): raise SystemExit(3)
    ctx.log.info("odd", exc_info=E())
    ctx.log.info(E())
    ctx.log.info("odd", error=E())
    """,
    harmless=True,
)
