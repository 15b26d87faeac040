"""placeholder"""
def up() -> None:
    """x"""
