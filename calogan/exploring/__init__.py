"""A generator in the browser: one page that makes showers itself, from disk, without a server.

From outside: `explore.explore`. The page's own parts are in the folder `page`: HTML, style, and
JavaScript modules, each of which says what it owns.
"""
