#!/usr/bin/python3
"""Checks a page of report_html() without a browser.  For test/extra/report.sh.

report_check.py FILE

Well-formed; loads and runs nothing; headings, tables, charts with their names; contrast of the colours of its style sheet,
of areas against what they lie on, too, which report_browser.py does not measure.
"""
import collections
import html.parser
import re
import sys

VOID = {'meta', 'br', 'hr', 'col', 'wbr'}
ALLOWED = set('''html head meta title style body svg defs pattern rect path circle text desc header h1 h2 h3 nav ul li a main section p dl div dt dd strong span
	br figure figcaption details summary table caption thead tbody tr th td bdi code q footer'''.split())
failures = []


def want(condition, words):
	if not condition:
		failures.append(words)


class Page(html.parser.HTMLParser):
	"""Tags must nest; SVG that is empty closes itself."""

	def __init__(self):
		super().__init__(convert_charrefs=False)
		self.stack, self.ids, self.refs, self.headings, self.found = [], [], [], [], collections.Counter()
		self.style, self.tables, self.charts, self.figures, self.doctype = '', [], [], [], None

	def handle_decl(self, decl):
		self.doctype = decl

	def handle_starttag(self, tag, attrs, empty=False):
		names = [name for name, value in attrs]
		attrs = dict(attrs)
		where = 'line %d: <%s>' % (self.getpos()[0], tag)
		want(tag in ALLOWED, where + ' is not expected')
		want(len(names) == len(attrs), where + ' has an attribute twice')
		self.found[tag] += 1
		for name, value in attrs.items():
			want(not name.startswith('on') and name not in ('src', 'srcset', 'style', 'action', 'xlink:href', 'data', 'poster', 'background'), where + ' has ' + name)
			want(name != 'href' or (value or '').startswith('#'), where + ' leads elsewhere')
			want(not re.search(r'(?i)https?:|//|javascript:|data:', value or ''), where + ' names an address')
		if 'id' in attrs:
			self.ids.append(attrs['id'])
		self.refs += (attrs.get('aria-labelledby') or '').split() + ([attrs['href'][1:]] if 'href' in attrs else [])
		if re.fullmatch('h[1-6]', tag):
			self.headings.append(int(tag[1]))
		if tag == 'html':
			want(attrs.get('lang'), 'the page has no language')
		if tag == 'table':
			self.tables.append({'caption': 0, 'scope': 0, 'loose': 0})
		if tag == 'caption':
			self.tables[-1]['caption'] += 1
		if tag == 'th':
			self.tables[-1]['scope' if attrs.get('scope') in ('row', 'col') else 'loose'] += 1
		if tag == 'figure':
			self.figures.append({'chart': 0, 'table': 0, 'figcaption': 0})
		if tag in ('table', 'figcaption') and 'figure' in self.stack:
			self.figures[-1][tag] += 1
		if tag == 'svg' and attrs.get('role') == 'img':
			self.charts.append([])
			if 'figure' in self.stack:
				self.figures[-1]['chart'] += 1
			want(len((attrs.get('aria-labelledby') or '').split()) == 2, where + ' is not named by title and description')
		elif tag == 'svg':
			want('svg' in self.stack or attrs.get('aria-hidden') == 'true', where + ' is neither a chart nor hidden')
		if tag in ('title', 'desc') and 'svg' in self.stack:
			self.charts[-1].append(tag)
		if tag not in VOID and not empty:
			self.stack.append(tag)

	def handle_startendtag(self, tag, attrs):
		want('svg' in self.stack or tag in VOID, 'line %d: <%s/> does not close itself in HTML' % (self.getpos()[0], tag))
		self.handle_starttag(tag, attrs, empty=True)

	def handle_endtag(self, tag):
		if not self.stack or self.stack[-1] != tag:
			want(False, 'line %d: </%s> closes %s' % (self.getpos()[0], tag, self.stack[-1:] or 'nothing'))
			if tag not in self.stack:
				return
			while self.stack[-1] != tag:
				self.stack.pop()
		self.stack.pop()

	def handle_data(self, data):
		if self.stack and self.stack[-1] == 'style':
			self.style += data
			return
		want('<' not in data and '&' not in data, 'line %d: a loose < or &' % self.getpos()[0])
		for char in data:
			want(not re.match('[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]', char), 'line %d: a character U+%04X' % (self.getpos()[0], ord(char)))
		want(not re.search(r'(?i)\b(nan|infinity|null)\b', data), 'line %d: %r' % (self.getpos()[0], data[:60]))

	def handle_comment(self, data):
		want(False, 'line %d: a comment' % self.getpos()[0])


def luminance(colour):
	parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
	parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
	return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one, other):
	"""WCAG 2.2, contrast ratio"""
	light, dark = sorted((luminance(one), luminance(other)), reverse=True)
	return (light + 0.05) / (dark + 0.05)


def schemes(style):
	for name, start in (('light', 0), ('dark', style.find('(prefers-color-scheme: dark)')), ('print', style.find('@media print'))):
		want(start >= 0, 'no colours for ' + name)
		block = re.compile(r':root\s*\{(.*?)\}', re.S).search(style, start)
		yield name, dict(re.findall(r'--([a-z-]+):\s*(#[0-9a-f]{6})\s*;', block.group(1)))


def check_colours(style):
	least = {}
	for name, colours in schemes(style):
		want(len(colours) >= 12, name + ': too few colours')
		for colour, value in colours.items():
			for ground in ('page', 'card'):
				ratio = contrast(value, colours[ground])
				if colour.startswith('ink'):
					want(ratio >= 4.5, '%s: text %s on %s has a contrast of %.2f' % (name, colour, ground, ratio))
				elif colour.startswith('fill') and ground == 'card':
					want(ratio >= 3, '%s: area %s on %s has a contrast of %.2f' % (name, colour, ground, ratio))
				else:
					continue
				kind = 'text' if colour.startswith('ink') else 'graphics'
				least[kind] = min(least.get(kind, 99), ratio)
	rules = re.sub(r':root\s*\{.*?\}', '', style, flags=re.S)
	want(not re.search(r'#[0-9a-fA-F]{3,8}\b(?!-)(?=[;\s])', rules), 'a colour that is not among the named ones')
	for words in re.findall(r'(?<![-a-z])color:\s*([^;}]+)', rules):
		want(re.fullmatch(r'var\(--ink[a-z-]*\)', words.strip()), 'text in ' + words)
	for selector, words in re.findall(r'([^{}]*)\{[^{}]*?(?:fill|stroke):\s*([^;}]+)', rules):
		want(re.fullmatch(r'none|url\(#[a-z-]+\)|var\(--(fill-[a-z]+|card|rule|band|ink|ink-soft)\)', words.strip()), '%s is painted in %s' % (selector.strip(), words))
	return least


def check_page(name):
	with open(name, encoding='utf-8', newline='') as file:
		text = file.read()
	page = Page()
	page.feed(text)
	page.close()
	want(page.doctype == 'DOCTYPE html', 'no document type')
	want(not page.stack, 'not closed: %s' % page.stack)
	want(not re.search(r'(?i)<\s*/?\s*(script|iframe|object|embed|link|img|base|form|foreignObject)\b', text), 'something that runs or loads')
	want(not re.search(r'@import|expression\(|url\((?!#)', page.style), 'the style sheet loads something')
	want('<meta name="viewport" content="width=device-width' in text, 'no viewport')
	want('@media print' in page.style, 'no print style')
	double = [i for i, n in collections.Counter(page.ids).items() if n > 1]
	want(not double, 'ids that are there twice: %s' % double)
	for ref in page.refs + re.findall(r'url\(#([^)]*)\)', page.style):
		want(ref in page.ids, 'nothing has the id %s' % ref)
	want(page.headings.count(1) == 1 and page.headings[0] == 1, 'there is not one heading of the page')
	for before, after in zip(page.headings, page.headings[1:]):
		want(after <= before + 1, 'a level of headings is left out')
	want(page.found['main'] == 1 and page.found['header'] == 1 and page.found['footer'] == 1, 'landmarks are missing')
	for table in page.tables:
		want(table['caption'] == 1 and table['scope'] > 0 and table['loose'] == 0, 'a table without caption or scope')
	for chart in page.charts:
		want(chart == ['title', 'desc'], 'a chart without title and description')
	for figure in page.figures:
		want(figure['figcaption'] or figure['table'], 'a figure without a caption')
		want(not figure['chart'] or figure['table'], 'a chart without its figures')
	least = check_colours(page.style)
	print('%d bytes, %d charts, %d tables; least contrast: text %.2f, graphics %.2f' % (len(text), len(page.charts), len(page.tables), least['text'], least['graphics']))


check_page(sys.argv[1])
for words in list(dict.fromkeys(failures))[:30]:
	print('not ok: ' + words)
sys.exit(1 if failures else 0)
