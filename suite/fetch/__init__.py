"""Official weights and data, downloaded and checked: no half file under its name, and none that is not as published.

`remote` says what a file should be, `http` asks for it, `download` brings it, `archives` unpacks it, `pins` remembers
files whose authors published no digest; `weights` and `data` know which files the paper needs, and where they go.
"""
