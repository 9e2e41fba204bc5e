"""A test uses up the CPU time that it allows itself."""
# --- test_it.py
import resource


def test_before():  # passed
    pass


def test_guilty():  # crashed
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
    while True:
        pass


def test_after():  # passed
    pass
