"""The minion's side: staging a plan and the way home, with what Salt itself brings (Jinja2, the request channel)."""
