"""The same as plugins.c, by a Python that loads the plug-ins its arguments name."""

import ctypes
import sys
import threading

plugins = [ctypes.CDLL(path) for path in sys.argv[1:]]
failures = []


def call_all():
    failures.extend(plugin for plugin in plugins for _ in range(3) if plugin.plugin_call() != 0)


for plugin in plugins:
    assert plugin.plugin_start() == 0
threads = [threading.Thread(target=call_all) for _ in range(3)]
for thread in threads:
    thread.start()
call_all()
for thread in threads:
    thread.join()
assert not failures, failures
# This thread is bound to an M of each.
for plugin in plugins:
    assert plugin.plugin_stop() == 0
print(len(plugins), "plug-ins")
