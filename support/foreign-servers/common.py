"""A browser whose person agrees to everything, and other things that the drivers share."""

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request

REDIRECT = "http://127.0.0.1:8400/callback"


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def browser():
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), jar, Stay)


def ask(url, data=None):
    try:
        with browser().open(url, data and urllib.parse.urlencode(data).encode()) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def agree(url):
    """Follows the pages until the browser is sent to the command's address."""
    pages = browser()
    for _ in range(20):
        if url.startswith(REDIRECT):
            return url
        try:
            answer = pages.open(url)
            raise SystemExit(f"no redirect at {url.split('?')[0]}: {answer.status}")
        except urllib.error.HTTPError as answer:
            if answer.code not in (302, 303):
                raise SystemExit(f"{url.split('?')[0]}: {answer.code} {answer.read()[:500]}")
            url = urllib.parse.urljoin(url, answer.headers["location"])
    raise SystemExit("too many redirects")


def walk(value, visit):
    if isinstance(value, dict):
        if "access_token" in value:
            visit(value)
        for each in value.values():
            walk(each, visit)
