"""Networks that were trained elsewhere: what they take and answer, and how they become a model of Lapel.

A file from elsewhere meets limits first, is read as data, and is loaded only when everything in it is known.
"""
