#!/usr/bin/python3
"""An independent look at what recommend.sql did, from the file of order lines.

	recommend.py people FILE                              the numbers of all customers
	recommend.py check FILE DIR SPLIT LEAST CAP QUIET     compares; DIR has what recommend.sql wrote

Nothing is asked of the database: who agreed follows from the digests of answers.sql, who is in
which variant from the salt of the experiment, lists and outcomes from the lines.  Standard
library only; all numbers must agree to 1e-9.
"""
import csv
import decimal
import hashlib
import lzma
import math
import re
import sys
from collections import Counter, defaultdict
from fractions import Fraction
from statistics import NormalDist, fmean, variance

PRODUCT = re.compile(r'^S?[0-9]{4}')
LIST, SIMILAR, POPULAR = 10, 20, 50  # how long lists are


def lines_of(path):
    opened = lzma.open(path, 'rt', encoding='utf-8', newline='') if path.endswith('.xz') else open(path, encoding='utf-8', newline='')
    with opened as file:
        for r in csv.DictReader(file):
            r['customer'] = int(float(r['CustomerID'])) if r['CustomerID'] else None
            yield r


def percent(what, customer):
    return int(hashlib.md5(f'{what}{customer}'.encode()).hexdigest()[:7], 16) % 100


# ------------------------------------------------------------ statistics

def beta_part(a, b, x):
    """Regularized incomplete beta function by Lentz's continued fraction."""
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_part(b, a, 1 - x)
    f = c = 1.0
    d = 1 / (1 - (a + b) * x / (a + 1))
    f = d
    for m in range(1, 1000):
        for n in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 / (1 + n * d)
            c = 1 + n / c
            f *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a * f


def t_quantile(p, df):
    """The t above which 1 - p lies, for p above a half: Newton's method on the tail."""
    t = NormalDist().inv_cdf(p)
    for _ in range(60):
        tail = beta_part(df / 2, 0.5, df / (df + t * t)) / 2
        density = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2 - (df + 1) / 2 * math.log1p(t * t / df))
        step = (tail - (1 - p)) / density
        t += step
        if abs(step) < 1e-14 * t:
            break
    return t


Z = NormalDist().inv_cdf(0.975)


def wilson(x, n):
    middle, half = 2 * x + Z * Z, Z * math.sqrt(Z * Z + 4 * x * (1 - x / n))
    return x / n, (middle - half) / (2 * (n + Z * Z)) if x else 0.0, (middle + half) / (2 * (n + Z * Z)) if x < n else 1.0


def rates(x1, n1, x2, n2):
    """Newcombe's hybrid score interval of the difference, Katz's of the ratio."""
    (p, p_low, p_high), (q, q_low, q_high) = wilson(x1, n1), wilson(x2, n2)
    reach = Z * math.sqrt(1 / x1 - 1 / n1 + 1 / x2 - 1 / n2) if x1 and x2 else None
    ratio = p / q if q else None
    return (p - q, p - q - math.hypot(p - p_low, q_high - q), p - q + math.hypot(p_high - p, q - q_low), ratio,
            ratio * math.exp(-reach) if reach is not None else None, ratio * math.exp(reach) if reach is not None else None)


def means(a, b):
    """Welch's interval of the difference, the delta method for the ratio."""
    m, n, s, u = fmean(a), fmean(b), variance(a) / len(a), variance(b) / len(b)
    t = t_quantile(0.975, (s + u) ** 2 / (s * s / (len(a) - 1) + u * u / (len(b) - 1))) if s + u else 0
    reach = t * math.sqrt(s / m ** 2 + u / n ** 2) if m > 0 and n > 0 else None
    ratio = m / n if n else None
    return (m - n, m - n - t * math.sqrt(s + u), m - n + t * math.sqrt(s + u), ratio,
            ratio * math.exp(-reach) if reach is not None else None, ratio * math.exp(reach) if reach is not None else None)


# ------------------------------------------------------------ comparing

wrong = []
passed = 0
worst = 0.0


def same(what, got, want):
    global passed
    if got == want:
        passed += 1
        print(f'ok    {what}')
        return
    wrong.append(what)
    if isinstance(got, (set, dict, list)) and len(got) + len(want) > 6:
        found = [x for x in (got.items() if isinstance(got, dict) else got) if x not in (want.items() if isinstance(want, dict) else want)]
        missed = [x for x in (want.items() if isinstance(want, dict) else want) if x not in (got.items() if isinstance(got, dict) else got)]
        print(f'FAIL  {what}: {len(got)} instead of {len(want)}; not expected {found[:3]}, missing {missed[:3]}')
    else:
        print(f'FAIL  {what}: {got} instead of {want}')


def close(what, got, want):
    """Texts of a CSV line and numbers; NULL is None."""
    global passed, worst
    for g, w in zip(got, want, strict=True):
        g = float(g) if g != '' else None
        if (g is None) != (w is None):
            break
        if g is None:
            continue
        error = min(abs(g - w), abs(g - w) / max(abs(w), 1e-300))
        if not error < 1e-9:
            break
        worst = max(worst, error)
    else:
        passed += 1
        print(f'ok    {what}')
        return
    wrong.append(what)
    print(f'FAIL  {what}: {list(got)} instead of {list(want)}')


def table(directory, name):
    with open(f'{directory}/{name}.csv', encoding='utf-8', newline='') as file:
        return list(csv.reader(file))


# ------------------------------------------------------------ the shop, from the lines

class Shop:
    def __init__(self, path, split, least, cap, quiet):
        self.least, self.cap = least, cap
        lines = list(lines_of(path))
        self.customers = sorted({r['customer'] for r in lines if r['customer'] is not None})
        order = {}
        for r in lines:
            o = order.setdefault(r['InvoiceNo'], [None, r['InvoiceDate'], r['InvoiceNo'].startswith('C')])
            if r['customer'] is not None:
                o[0] = r['customer'] if o[0] is None else min(o[0], r['customer'])
            o[1] = min(o[1], r['InvoiceDate'])
        names = defaultdict(Counter)
        self.before = defaultdict(set)      # what a customer bought before the split
        self.later = []                     # lines after it: customer, item, invoice, date, quantity, price
        for r in lines:
            if r['Description']:
                names[r['StockCode']][r['Description']] += 1
            customer, date, cancelled = order[r['InvoiceNo']]
            if customer is None or customer != r['customer'] or cancelled or int(r['Quantity']) <= 0 or not PRODUCT.match(r['StockCode']):
                continue
            if date < split:
                self.before[customer].add(r['StockCode'])
            else:
                price = decimal.Decimal(r['UnitPrice']).quantize(decimal.Decimal('0.001'), decimal.ROUND_HALF_UP)
                self.later.append((customer, r['StockCode'], r['InvoiceNo'], date, int(r['Quantity']), price))
        # as mode() has it: of those as frequent the first
        self.name = {code: min(c, key=lambda d: (-c[d], d.encode())) for code, c in names.items()}

        self.said = {}
        for c in self.customers:
            r = percent('recommendations', c)
            self.said[c] = 'no' if r < 6 else 'yes' if r < 66 else 'no' if r < 86 else 'silent'
        self.measured = {c for c in self.customers if percent('analytics', c) >= 10}
        self.asked = {c for c in self.customers if percent('asked', c) < 4}
        self.sent_back = {o[0] for o in order.values() if o[2] and o[0] is not None and quiet <= o[1] < split}
        self.reachable = {c for c in self.customers if self.said[c] == 'yes'} - self.asked - self.sent_back
        self.before = {c: items for c, items in self.before.items() if c in self.reachable}

    def assign(self, salt):
        """By the first 52 bits of SHA-256: a fifth holdout, the others half and half."""
        self.variant = {}
        for c in self.reachable:
            place = Fraction(int(hashlib.sha256(salt + f'subject:{c}'.encode()).hexdigest()[:13], 16), 1 << 52)
            self.variant[c] = 'holdout' if place < Fraction(1, 5) else 'popular' if (place - Fraction(1, 5)) * 2 < Fraction(4, 5) else 'also_bought'

    def recommend(self):
        buyers = Counter(item for items in self.before.values() for item in items)
        often = {item for item, n in buyers.items() if n >= self.least}
        pairs = Counter()
        for items in self.before.values():
            mine = sorted(items & often)
            for i, a in enumerate(mine):
                for b in mine[i + 1:]:
                    pairs[a, b] += 1
        near = defaultdict(list)
        for (a, b), n in pairs.items():
            if n >= 5:
                score = n * n * 1000000 // (buyers[a] * buyers[b])
                near[a].append((-score, b, n))
                near[b].append((-score, a, n))
        self.near = {item: sorted(found)[:SIMILAR] for item, found in near.items()}
        popular = sorted(buyers, key=lambda item: (-buyers[item], item))[:POPULAR]
        self.lists = {}
        for c, items in self.before.items():
            if self.variant[c] == 'also_bought':
                score, best = Counter(), {}
                for a in items:
                    for s, b, _ in self.near.get(a, ()):
                        score[b] -= s
                        best[b] = min(best.get(b, (0, '~')), (s, a))
                order = sorted(score, key=lambda b: (-score[b], b))
                self.lists[c] = [(b, 'because you bought ' + self.name[best[b][1]].lower()) for b in order if b not in items][:LIST]
            else:
                self.lists[c] = [(b, 'because many people buy it') for b in popular if b not in items][:LIST]

    def show(self):
        """What is shown: nothing to the holdout, to others as much as the cap allows, the catalogue last."""
        self.shown = {}
        for c in sorted(self.reachable):
            if self.variant[c] != 'holdout':
                wanted = self.lists.get(c, []) + [('catalogue', 'because you are our customer')]
                self.shown[c] = wanted[:self.cap]


def arms(people, variant, value):
    by = defaultdict(list)
    for c in people:
        by[variant[c]].append(value.get(c))
    by['personalized'] = by['popular'] + by['also_bought']
    return by


def compare(shop, directory):
    shop.assign(bytes.fromhex(table(directory, 'salt')[0][0]))
    reached = [{int(c) for (c,) in table(directory, name)} for name in ('reached_before', 'reached_after')]
    same('before anything is shown the purpose sees who said yes and is not excluded', reached[0], shop.reachable)
    same('exclusions hold whom they should', dict(table(directory, 'exclusions')), {'asked': str(len(shop.asked)), 'sent back': str(len(shop.sent_back))})
    same('variants are where the digest falls, of who may be reached and of nobody else',
         {int(c): v for c, v in table(directory, 'assignments')}, shop.variant)
    shop.recommend()
    same('which products go together', {(a, b): (int(n), int(s)) for a, b, n, s in table(directory, 'similar')},
         {(a, b): (n, -s) for a, found in shop.near.items() for s, b, n in found})
    shop.show()
    rows = table(directory, 'exposures')
    got = defaultdict(list)
    for c, item, why, variant in rows:
        got[int(c)].append((item, why))
    same('nobody was shown anything who did not agree', [c for c in got if shop.said[c] != 'yes'], [])
    same('nor anybody who is excluded', [c for c in got if c in shop.asked or c in shop.sent_back], [])
    same('nor anybody in the holdout', [c for c in got if shop.variant.get(c) == 'holdout'], [])
    same('nobody was shown more than the cap allows', [c for c, items in got.items() if len(items) > shop.cap], [])
    same('every item with its explanation is what an independent computation says', dict(got), shop.shown)
    same('the variant is noted', [c for c, _, _, variant in rows if shop.variant.get(int(c)) != variant], [])
    full = {c for c, items in shop.shown.items() if len(items) == shop.cap}
    same('whoever has reached the cap is withheld, and nobody else', reached[1], shop.reachable - full)

    # outcomes
    spent = defaultdict(dict)
    moments = defaultdict(set)
    prices, bought = defaultdict(list), defaultdict(set)
    for c, item, invoice, date, n, price in shop.later:
        spent[c][invoice] = spent[c].get(invoice, 0) + n * price
        moments[c].add(date)
        bought[c].add(item)
        if price > 0:
            prices[item].append(price)
    total = {c: math.fsum(float(v) for v in s.values()) for c, s in spent.items() if c in shop.measured}
    taken = {c: sum(1 for item, _ in shown if item in bought[c]) for c, shown in shop.shown.items() if c in shop.measured}
    counted = shop.reachable & shop.measured
    values = {'spent': arms(counted, shop.variant, total), 'took': arms(counted, shop.variant, {c: n for c, n in taken.items() if n})}
    for metric, measure, variant, against, persons, value, against_persons, against_value, *rest in table(directory, 'lift'):
        a, b = values[metric][variant], values[metric][against]
        x, y = sum(v is not None for v in a), sum(v is not None for v in b)
        sums = [float(v or 0) for v in a], [float(v or 0) for v in b]
        if measure == 'rate':
            want = (len(a), x / len(a), len(b), y / len(b)) + rates(x, len(a), y, len(b))
        else:
            want = (len(a), fmean(sums[0]), len(b), fmean(sums[1])) + means(*sums)
            # a mean is about those who have an outcome: of fewer than five nothing is told, nor what is compared with them
            hidden = [0 < x < 5, 0 < y < 5]
            if any(hidden):
                want = tuple(None if hidden[i // 2] else v for i, v in enumerate(want[:4])) + (None,) * 6
        close(f'lift of {metric}, {measure}: {variant} against {against}', (persons, value, against_persons, against_value, *rest[:6]), want)
    same('lift says all it should', len(table(directory, 'lift')), 2 * 2 + 2 * 3)

    # are those who said no served alike?
    usual = {item: float(sum(p) / len(p)) for item, p in prices.items()}
    paid = defaultdict(lambda: defaultdict(list))
    for c, item, invoice, date, n, price in shop.later:
        if price > 0:
            paid[c][invoice].append(float(price) / usual[item])
    index = {c: fmean(fmean(v) for v in by.values()) for c, by in paid.items()}
    known = {c for c in shop.customers if shop.said[c] != 'silent' or c not in shop.measured or c in shop.asked or c in shop.sent_back or c in index}
    sides = {s: [c for c in known if shop.said[c] == s] for s in ('yes', 'no', 'silent')}
    for measure, said, persons, value, yes_persons, yes_value, ratio, fifths, *rest in table(directory, 'parity'):
        if measure == 'rate':
            a, b = (sides[said], sides['yes'])
            x, y = (sum(c in index for c in s) for s in (a, b))
            want = (len(a), x / len(a), len(b), y / len(b), x * len(b) / (len(a) * y)) + rates(x, len(a), y, len(b))[:3]
            same(f'opt_out_parity, four-fifths rule: {said}', fifths, 't' if 5 * x * len(b) >= 4 * y * len(a) else 'f')
        else:
            a, b = ([index[c] for c in sides[s] if c in index] for s in (said, 'yes'))
            want = (len(a), fmean(a), len(b), fmean(b), fmean(a) / fmean(b)) + means(a, b)[:3]
        close(f'opt_out_parity, {measure}: {said} against yes', (persons, value, yes_persons, yes_value, ratio, *rest[:3]), want)
    same('opt_out_parity says all it should', len(table(directory, 'parity')), 4)

    # measures
    reached = [c for c in shop.shown if c in shop.measured]
    buyers = [c for c in total]
    again = sum(len(moments[c]) > 1 for c in buyers)
    sums = [total[c] for c in buyers]
    reach = t_quantile(0.975, len(sums) - 1) * math.sqrt(variance(sums) / len(sums))
    known = {
        ('conversion_rate', 'spent'): (len(reached), len(reached)) + wilson(sum(c in total for c in reached), len(reached)),
        ('conversion_rate', 'took'): (len(reached), len(reached)) + wilson(sum(taken[c] > 0 for c in reached), len(reached)),
        ('repeat_purchase', 'spent'): (len(buyers), sum(len(spent[c]) for c in buyers)) + wilson(again, len(buyers)),
        ('lifetime_value', 'spent'): (len(buyers), sum(len(spent[c]) for c in buyers), fmean(sums), fmean(sums) - reach, fmean(sums) + reach)}
    rows = table(directory, 'measures')
    same('measures say all they should', {(what, metric) for what, metric, *_ in rows}, set(known))
    for what, metric, purpose, *numbers, suppressed in rows:
        close(f'{what} of {metric}', numbers, known[what, metric])
    n = Counter(shop.variant.values())
    share = {'holdout': 0.2, 'popular': 0.4, 'also_bought': 0.4}
    chi = sum((n[v] - len(shop.variant) * s) ** 2 / (len(shop.variant) * s) for v, s in share.items())
    for variant, persons, statistic, p in table(directory, 'health'):
        close(f'sample ratio: {variant}', (persons, statistic, p), (n[variant], chi, math.exp(-chi / 2)))

    # why
    rows = table(directory, 'why')
    one = int(rows[0][0])
    same('why() tells one person all that was shown, newest first', [(item, why) for _, _, item, why, *_ in rows][::-1], shop.shown[one])
    same('with purpose, legal basis, categories, consent and how to object',
         {(purpose, basis, categories, re.sub(r'\d{4}-\d\d-\d\d', 'DAY', because), how) for _, purpose, _, _, basis, categories, because, how in rows},
         {('recommendations', 'consent', '{location,purchases}', 'Yes: the person gave consent to "recommendations" on DAY.',
           'Withdraw your consent at any time, as easily as you gave it.')})
    return len(rows)


if __name__ == '__main__':
    if sys.argv[1:2] == ['people']:
        for c in sorted({r['customer'] for r in lines_of(sys.argv[2]) if r['customer'] is not None}):
            print(c)
    elif sys.argv[1:2] == ['check'] and len(sys.argv) == 8:
        shop = Shop(sys.argv[2], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]), sys.argv[7])
        compare(shop, sys.argv[3])
        print(f'{len(shop.customers)} customers, {len(shop.reachable)} may be reached, {sum(map(len, shop.shown.values()))} exposures of {len(shop.shown)}, '
              f'{passed} ok, {len(wrong)} FAIL, worst error {worst:.2g}')
        sys.exit(1 if wrong or not passed else 0)
    else:
        sys.exit(__doc__)
