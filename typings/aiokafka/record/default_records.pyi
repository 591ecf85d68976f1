from collections.abc import Sequence

class DefaultRecordBatchBuilder:
    @classmethod
    def estimate_size_in_bytes(
        cls,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> int: ...
