# SPDX-License-Identifier: Apache-2.0
"""The @story mark of the tests with virtual machines."""

STORIES = []


class Story:
    def __init__(self, fn, link, timeout, release):
        self.fn, self.link, self.timeout, self.release = fn, link, timeout, release
        self.name = "%s.%s%s" % (fn.__module__.replace("test_", ""), fn.__name__, "[%s]" % link if link else "")


def story(links=(None,), timeout=60, release=False):
    """links: told once over each; release: with the release build, since it is about speed"""
    def mark(fn):
        STORIES.extend(Story(fn, link, timeout, release) for link in links)
        return fn
    return mark
