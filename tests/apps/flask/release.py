import os

print("release phase with greeting", os.environ.get("GREETING", "no greeting"))
