"""What goes out to each role and what comes back: frozen dataclasses, encoded on the way.

One module a role, with the payload of its orders and the record in its segments. They are quick to
import: strategies write them without the engines that carry them out.
"""
