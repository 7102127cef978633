import signal
import threading

stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
print("worker started", flush=True)
while not stopped.wait(1):
    print("worker tick", flush=True)
print("worker stopped", flush=True)
