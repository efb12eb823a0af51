from fastnn._core.engine import Engine

API: object

class Handle:
    def __init__(self, engine: Engine, threads: int) -> None: ...
