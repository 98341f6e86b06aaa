#!/usr/bin/python3
"""Looks at pages in headless Chromium, by its debugging pipe.  For test/extra/report.sh.

report_browser.py BROWSER DIR FILE ...

Each page is shown as on a desk, on a tablet and on two phones, light, dark and printed, with everything opened.
Measured is what is really there: the contrast of each text with each colour behind it (WCAG 2.2, 1.4.3), how large
it is, what sticks out, what has been asked for over the network, what assistive technology is told.
Pictures are left in DIR.
"""
import base64
import fcntl
import json
import os
import subprocess
import sys

SHOWN = [(1280, 'light'), (1280, 'dark'), (768, 'light'), (390, 'light'), (390, 'dark'), (320, 'dark'), (720, 'print')]
failures = []


def want(condition, words):
	if not condition:
		failures.append(words)


class Browser:
	"""The protocol is JSON that ends with a zero byte, on descriptors 3 and 4 of the browser."""

	def __init__(self, program, home):
		here_in, there_out = os.pipe()
		there_in, here_out = os.pipe()
		# away from 3 and 4, so that one redirection does not hide the other; sh knows descriptors of one digit
		there = [fcntl.fcntl(fd, fcntl.F_DUPFD, 5) for fd in (there_in, there_out)]
		os.close(there_in)
		os.close(there_out)
		self.log = open(os.path.join(home, 'chromium.log'), 'wb')
		command = [program, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars', '--disable-background-networking',
			'--disable-component-update', '--no-default-browser-check', '--remote-debugging-pipe', '--user-data-dir=' + os.path.join(home, 'profile'), 'about:blank']
		self.process = subprocess.Popen(['sh', '-c', 'exec "$@" 3<&%d 4>&%d' % tuple(there), 'sh'] + command, pass_fds=there,
			stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, XDG_CACHE_HOME=home))
		for fd in there:
			os.close(fd)
		self.input, self.output = os.fdopen(here_in, 'rb', 0), here_out
		self.rest, self.number, self.session, self.events = b'', 0, None, []
		target = self.ask('Target.createTarget', url='about:blank')['targetId']
		self.session = self.ask('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
		for domain in ('Page', 'Network', 'Runtime', 'Log', 'DOM', 'Accessibility'):
			self.ask(domain + '.enable')

	def read(self):
		while b'\0' not in self.rest:
			more = os.read(self.input.fileno(), 1 << 20)
			if not more:
				raise RuntimeError('the browser has ended')
			self.rest += more
		message, self.rest = self.rest.split(b'\0', 1)
		return json.loads(message)

	def ask(self, method, **parameters):
		self.number += 1
		message = {'id': self.number, 'method': method, 'params': parameters}
		if self.session:
			message['sessionId'] = self.session
		data = json.dumps(message).encode() + b'\0'
		while data:
			data = data[os.write(self.output, data):]
		while True:
			answer = self.read()
			if answer.get('id') == self.number:
				if 'error' in answer:
					raise RuntimeError('%s: %s' % (method, answer['error']))
				return answer['result']
			self.events.append(answer)

	def await_event(self, name):
		while not any(event.get('method') == name for event in self.events):
			self.events.append(self.read())

	def evaluate(self, expression):
		answer = self.ask('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
		if 'exceptionDetails' in answer:
			raise RuntimeError(answer['exceptionDetails'])
		return answer['result'].get('value')

	def picture(self, height, top=0):
		width = self.evaluate('document.documentElement.clientWidth')
		return self.ask('Page.captureScreenshot', format='png', captureBeyondViewport=True, clip={'x': 0, 'y': top, 'width': width, 'height': height, 'scale': 1})['data']

	def close(self):
		try:
			self.session = None
			self.ask('Browser.close')
		except (RuntimeError, OSError):
			pass
		try:
			self.process.wait(20)
		except subprocess.TimeoutExpired:
			self.process.kill()
			self.process.wait()


MEASURE = r'''
(function () {
	var width = document.documentElement.clientWidth, out = [], texts = [], walker, node;
	var name = function (e) { return e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.getAttribute("class") ? "." + e.getAttribute("class") : ""); };
	document.querySelectorAll("details").forEach(function (d) { d.open = true; });
	if (document.documentElement.scrollWidth > width) out.push("the page is " + document.documentElement.scrollWidth + " pixels wide");
	document.querySelectorAll("body *").forEach(function (e) {
		var box = e.getBoundingClientRect();
		if (e.closest(".sr") || e.closest("defs") || !box.width) return;
		/* a table may be wider within what scrolls by itself, and what is within an inner svg ends at its edge */
		if (e.parentElement && e.parentElement.closest(".scroll")) return;
		if (e.ownerSVGElement && e.ownerSVGElement.ownerSVGElement) return;
		if (box.right > width + 0.5 || box.left < -0.5) out.push(name(e) + " reaches from " + box.left + " to " + box.right);
		if (e.tagName == "text") {
			var svg = e.ownerSVGElement.getBoundingClientRect();
			if (box.right > svg.right + 1 || box.left < svg.left - 1 || box.bottom > svg.bottom + 1 || box.top < svg.top - 1) out.push("the text " + e.textContent + " leaves its chart");
		}
	});
	/* texts of a chart do not lie on each other */
	document.querySelectorAll("svg[role=img]").forEach(function (s) {
		var boxes = Array.from(s.querySelectorAll("text")).map(function (t) { var b = t.getBoundingClientRect(), i = t.ownerSVGElement.getBoundingClientRect(); return { t: t.textContent, l: b.left, r: Math.min(b.right, i.right), o: b.top, u: b.bottom }; });
		boxes.forEach(function (a, i) { boxes.slice(i + 1).forEach(function (b) {
			if (Math.min(a.r, b.r) - Math.max(a.l, b.l) > 1 && Math.min(a.u, b.u) - Math.max(a.o, b.o) > 3.5) out.push("the texts " + a.t + " and " + b.t + " of a chart lie on each other");
		}); });
	});
	/* what is within reach of a finger: WCAG 2.2, 2.5.8, where it is not in a line of text */
	document.querySelectorAll("nav a, summary").forEach(function (e) { var b = e.getBoundingClientRect(); if (b.height && b.height < 24) out.push(name(e) + " is only " + b.height + " high"); });
	walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while ((node = walker.nextNode())) {
		var e = node.parentElement, style = getComputedStyle(e), range = document.createRange();
		if (!node.data.trim() || /^(style|title|desc|script)$/i.test(e.tagName) || e.closest(".sr") || e.closest("title, desc")) continue;
		if (style.visibility != "visible" || style.display == "none") continue;
		range.selectNodeContents(node);
		var size = parseFloat(style.fontSize), svg = e.ownerSVGElement, box = e.getBoundingClientRect();
		if (svg) size *= e.getScreenCTM().a;
		Array.from(range.getClientRects()).forEach(function (b) {
			var inner = e.closest(".scroll"), cut = inner ? inner.getBoundingClientRect() : null;
			if (b.width < 1 || b.height < 1 || (cut && (b.right > cut.right || b.left < cut.left))) return;
			texts.push({ x: b.left + scrollX, y: b.top + scrollY, w: b.width, h: b.height, size: size, bold: parseInt(style.fontWeight) >= 700, ink: svg ? style.fill : style.color, words: node.data.trim().slice(0, 40), what: name(e) });
		});
	}
	return JSON.stringify({ out: out, texts: texts, width: width, height: document.documentElement.scrollHeight, scripts: document.scripts.length,
		dark: matchMedia("(prefers-color-scheme: dark)").matches, ground: getComputedStyle(document.body).backgroundColor });
})()'''

HIDE = r'''
(function () { var s = document.createElement("style"); s.id = "hide";
	s.textContent = "*, *::before, *::after, *::marker { color: transparent !important; text-decoration-color: transparent !important; } svg text { fill: transparent !important; }"; document.head.append(s); })()'''

CONTRAST = r'''
(async function (data, texts) {
	var picture = await createImageBitmap(await (await fetch("data:image/png;base64," + data)).blob());
	var canvas = new OffscreenCanvas(picture.width, picture.height), pen = canvas.getContext("2d", { willReadFrequently: true });
	pen.drawImage(picture, 0, 0);
	var channel = function (c) { c /= 255; return c <= 0.04045 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4); };
	var light = function (c) { return 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]); };
	return JSON.stringify(texts.map(function (t) {
		var ink = t.ink.match(/[\d.]+/g).map(Number), seen = {}, n = 0, worst = 99, ground = "";
		var x = Math.max(0, Math.floor(t.x)), y = Math.max(0, Math.floor(t.y)), w = Math.min(Math.ceil(t.w), picture.width - x), h = Math.min(Math.ceil(t.h), picture.height - y);
		if (w < 1 || h < 1) return { worst: 0, ground: "outside of the page" };
		if (ink.length > 3 && ink[3] < 1) return { worst: 0, ground: "the text is transparent" };
		var d = pen.getImageData(x, y, w, h).data;
		for (var i = 0; i < d.length; i += 4, n++) { var key = d[i] + "," + d[i + 1] + "," + d[i + 2]; seen[key] = (seen[key] || 0) + 1; }
		Object.keys(seen).forEach(function (key) {
			/* a line that crosses the box of a text is no ground */
			if (seen[key] < n * 0.06) return;
			var a = light(ink), b = light(key.split(",").map(Number)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
			if (ratio < worst) { worst = ratio; ground = key; }
		});
		return { worst: worst, ground: ground };
	}));
})'''


def look(browser, path, width, scheme, directory):
	where = '%s, %d pixels, %s' % (os.path.basename(path), width, scheme)
	printed = scheme == 'print'
	browser.ask('Emulation.setDeviceMetricsOverride', width=width, height=844 if width < 600 else 900, deviceScaleFactor=1, mobile=width < 600)
	browser.ask('Emulation.setEmulatedMedia', media='print' if printed else 'screen', features=[{'name': 'prefers-color-scheme', 'value': 'light' if printed else scheme}])
	browser.events.clear()
	browser.ask('Page.navigate', url='file://' + path)
	browser.await_event('Page.loadEventFired')
	stem = os.path.join(directory, '%s_%d_%s' % (os.path.splitext(os.path.basename(path))[0], width, scheme))
	height = browser.evaluate('document.documentElement.scrollHeight')
	with open(stem + '.png', 'wb') as file:
		file.write(base64.b64decode(browser.picture(height)))
	found = json.loads(browser.evaluate(MEASURE))
	want(found['scripts'] == 0, where + ': there is a script')
	want(found['width'] == width, '%s: the viewport is %d pixels wide' % (where, found['width']))
	want(found['dark'] == (scheme == 'dark'), where + ': the scheme is another')
	for words in found['out']:
		want(False, where + ': ' + words)
	with open(stem + '_open.png', 'wb') as file:
		file.write(base64.b64decode(browser.picture(found['height'])))
	browser.evaluate(HIDE)
	# the page has no leave to fetch anything; what computes is a blank one
	data, asked = browser.picture(found['height']), [e for e in browser.events if e.get('method') == 'Network.requestWillBeSent']
	want(len(asked) == 1 and asked[0]['params']['request']['url'] == 'file://' + path, '%s: asked for %s' % (where, [e['params']['request']['url'] for e in asked]))
	said = [e for e in browser.events if e.get('method') in ('Runtime.exceptionThrown', 'Runtime.consoleAPICalled', 'Log.entryAdded')]
	want(not said, '%s: the browser says %s' % (where, said[:2]))
	tree = browser.ask('Accessibility.getFullAXTree')['nodes']
	named = {'image': 0, 'table': 0, 'region': 0, 'navigation': 0}
	for node in tree:
		role = node.get('role', {}).get('value')
		role = {'img': 'image', 'SvgRoot': 'image', 'graphics-document': 'image'}.get(role, role)
		if role in named and not node.get('ignored'):
			named[role] += 1
			want(node.get('name', {}).get('value'), '%s: a %s without a name' % (where, role))
			want(role != 'image' or node.get('description', {}).get('value'), '%s: a chart without a description' % where)
	browser.ask('Page.navigate', url='about:blank')
	least, ground, small, fewest = 99.0, '', 99.0, found['texts']
	for text, seen in zip(found['texts'], json.loads(browser.evaluate('%s("%s", %s)' % (CONTRAST, data, json.dumps(found['texts']))))):
		needed = 3 if text['size'] >= 24 or (text['size'] >= 18.66 and text['bold']) else 4.5
		want(seen['worst'] >= needed, '%s: "%s" (%s) in %s on %s has a contrast of %.2f' % (where, text['words'], text['what'], text['ink'], seen['ground'], seen['worst']))
		want(text['size'] >= 10, '%s: "%s" (%s) is %.1f pixels high' % (where, text['words'], text['what'], text['size']))
		least, small = min(least, seen['worst']), min(small, text['size'])
	want(len(fewest) > 20, '%s: %d texts only' % (where, len(fewest)))
	print('%s: %d texts, least contrast %.2f, smallest text %.1f; %d charts, %d tables, all named; height %d' % (where, len(fewest), least, small, named['image'], named['table'], height))
	return named


def main(program, directory, *pages):
	os.makedirs(directory, exist_ok=True)
	browser = Browser(program, directory)
	try:
		for page in pages:
			for width, scheme in SHOWN:
				look(browser, os.path.abspath(page), width, scheme, directory)
	finally:
		browser.close()
	words = list(dict.fromkeys(failures))
	contrasts = [w for w in words if 'has a contrast of' in w]
	for w in [w for w in words if w not in set(contrasts)][:30] + contrasts[:10]:
		print('not ok: ' + w)
	return 1 if failures else 0


sys.exit(main(*sys.argv[1:]))
