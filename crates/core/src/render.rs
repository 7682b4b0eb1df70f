//! The exposition of native families: Prometheus text 0.0.4 and OpenMetrics 1.0.

use bellwether_catalog::Kind;

use crate::family::{Family, Radix};
use crate::intern::escape;
use crate::label::ValueSpec;
use crate::measure::NANO;

/// The two text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Text,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of the format.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Label pairs as they stand between the braces of every series: `a="1",` with a comma at the end.
pub(crate) fn global_labels(labels: &[(String, String)]) -> String {
    labels.iter().map(|(name, value)| format!("{name}=\"{}\",", escape(value))).collect()
}

/// Writes `# HELP`, `# TYPE` and, in OpenMetrics, `# UNIT`.
fn header(out: &mut Vec<u8>, family: &Family, format: Format) {
    let metric = &family.metric;
    let open = format == Format::OpenMetrics;
    let name = if open { metric.name.strip_suffix("_total").unwrap_or(&metric.name) } else { &metric.name };
    let mut line = |keyword: &str, text: &str| {
        for part in ["# ", keyword, " ", name, " ", text, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    line("HELP", &escape_help(&metric.help, open));
    line("TYPE", metric.kind.as_str());
    if open && !metric.unit.openmetrics().is_empty() {
        line("UNIT", metric.unit.openmetrics());
    }
}

fn escape_help(help: &str, quotes: bool) -> String {
    let escaped = help.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { escaped.replace('"', "\\\"") } else { escaped }
}

/// A label on its way into series: its digit in the index, and its pairs `name="value"`.
struct Pairs<'a> {
    radix: Radix,
    name: &'a str,
    /// The pairs of a closed label, by value.
    closed: Vec<String>,
    open: Option<&'static crate::intern::Interner>,
    /// The pair of an open label that was written last, and under which digit and generation.
    pair: Vec<u8>,
    known: Option<(usize, u64)>,
}

impl Pairs<'_> {
    /// Writes the pair for the series `index`; false if its value has ended meanwhile.
    fn write(&mut self, index: usize, generation: u64, line: &mut Vec<u8>) -> bool {
        let digit = self.radix.digit(index);
        let Some(interner) = self.open else {
            line.extend_from_slice(self.closed[digit].as_bytes());
            return true;
        };
        if self.known != Some((digit, generation)) {
            self.known = None;
            let Some(text) = interner.escaped(digit as u32) else { return false };
            self.pair.clear();
            for part in [self.name, "=\"", &text, "\""] {
                self.pair.extend_from_slice(part.as_bytes());
            }
            self.known = Some((digit, generation));
        }
        line.extend_from_slice(&self.pair);
        true
    }
}

/// Writes what stands before the values of one series after another into a line that is used again:
/// as long as only the last label changes, the rest stays.
struct Labels<'a> {
    pairs: Vec<Pairs<'a>>,
    /// What stands before the labels, the global ones included, and after them.
    start: String,
    end: &'static str,
    line: Vec<u8>,
    /// How much of the line belongs to all labels but the last.
    head: usize,
    /// The first series with the labels but the last of the one before, and the generation of their
    /// texts.
    previous: Option<(usize, u64)>,
}

impl<'a> Labels<'a> {
    /// The labels alone.
    fn new(family: &'a Family, global: &str) -> Self {
        Self::between(family, global.to_owned(), "")
    }

    /// The labels with the metric's name, in braces if there are any: `name{labels} `.
    fn named(family: &'a Family, global: &str) -> Self {
        let name = &family.metric.name;
        if family.labels.is_empty() && global.is_empty() {
            return Self::between(family, name.clone(), " ");
        }
        Self::between(family, format!("{name}{{{global}"), "} ")
    }

    fn between(family: &'a Family, mut start: String, end: &'static str) -> Self {
        let last = family.labels.len().saturating_sub(1);
        let pairs = family
            .labels
            .iter()
            .zip(family.radices())
            .enumerate()
            .map(|(at, (label, radix))| {
                let (closed, open) = match label.values {
                    ValueSpec::Closed { texts, .. } => {
                        let after = if at == last { end } else { "" };
                        let pair = |text: &&str| format!("{}=\"{}\"{after}", label.name, escape(text));
                        (texts.iter().map(pair).collect(), None)
                    }
                    ValueSpec::Open { interner, .. } => (Vec::new(), Some(interner())),
                };
                Pairs { radix, name: label.name, closed, open, pair: Vec::new(), known: None }
            })
            .collect();
        if family.labels.is_empty() {
            start.truncate(start.trim_end_matches(',').len());
            start.push_str(end);
        }
        Self { pairs, start, end, line: Vec::with_capacity(256), head: 0, previous: None }
    }

    /// The labels of the series `index`; none if one of its values has ended.
    #[inline]
    fn of(&mut self, index: usize, generation: u64) -> Option<&[u8]> {
        let Some(last) = self.pairs.last() else {
            return Some(self.start.as_bytes());
        };
        if let Some((first, before)) = self.previous
            && before == generation
            && let Some(pair) = last.closed.get(index.wrapping_sub(first))
        {
            self.line.truncate(self.head);
            self.line.extend_from_slice(pair.as_bytes());
            return Some(&self.line);
        }
        self.anew(index, generation)
    }

    #[inline(never)]
    fn anew(&mut self, index: usize, generation: u64) -> Option<&[u8]> {
        let (last, head) = self.pairs.split_last_mut()?;
        self.previous = None;
        self.line.clear();
        self.line.extend_from_slice(self.start.as_bytes());
        for pair in head {
            if !pair.write(index, generation, &mut self.line) {
                return None;
            }
            self.line.push(b',');
        }
        self.head = self.line.len();
        if !last.write(index, generation, &mut self.line) {
            return None;
        }
        if last.open.is_some() {
            self.line.extend_from_slice(self.end.as_bytes());
        } else if last.radix.step == 1 {
            // The last label's digit is the innermost one.
            self.previous = Some((index - last.radix.digit(index), generation));
        }
        Some(&self.line)
    }
}

/// Writes a family with all its series.
pub(crate) fn family(out: &mut Vec<u8>, family: &Family, global: &str, format: Format) {
    header(out, family, format);
    let name = family.metric.name.as_bytes();
    match family.metric.kind {
        Kind::Counter | Kind::Gauge => {
            let mut labels = Labels::named(family, global);
            let signed = family.metric.kind == Kind::Gauge;
            family.visit(|index, reading| {
                let Some(series) = labels.of(index, reading.generation()) else { return };
                let value = if signed { reading.level() } else { reading.sum() };
                let Some(mut value) = value else { return };
                out.extend_from_slice(series);
                if signed && value.cast_signed() < 0 {
                    out.push(b'-');
                    value = value.cast_signed().unsigned_abs();
                }
                scaled(out, value, family.scale);
                out.push(b'\n');
            });
        }
        Kind::Histogram => {
            let mut labels = Labels::new(family, global);
            let bounds = le_pairs(&family.metric.buckets);
            family.visit(|index, reading| {
                let Some(labels) = labels.of(index, reading.generation()) else { return };
                let Some(sums) = reading.sums() else { return };
                histogram(out, name, labels, &bounds, sums, family.scale);
            });
        }
    }
}

fn le_pairs(buckets: &[f64]) -> Vec<String> {
    // `1.0` and not `1`: what Prometheus 3 stores, and what OpenMetrics asks for.
    buckets.iter().map(|bound| format!("le=\"{bound:?}\"")).chain(["le=\"+Inf\"".to_owned()]).collect()
}

fn histogram(out: &mut Vec<u8>, name: &[u8], labels: &[u8], bounds: &[String], sums: &[u64], scale: u64) {
    let mut total = 0_u64;
    for (bound, bucket) in bounds.iter().zip(sums) {
        total = total.wrapping_add(*bucket);
        series(out, name, "_bucket", labels, bound.as_bytes());
        scaled(out, total, 1);
        out.push(b'\n');
    }
    series(out, name, "_sum", labels, &[]);
    scaled(out, sums.last().copied().unwrap_or_default(), scale);
    out.push(b'\n');
    series(out, name, "_count", labels, &[]);
    scaled(out, total, 1);
    out.push(b'\n');
}

/// Writes `name{labels,more} `.
#[inline]
fn series(out: &mut Vec<u8>, name: &[u8], suffix: &str, labels: &[u8], more: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(suffix.as_bytes());
    if !labels.is_empty() || !more.is_empty() {
        out.push(b'{');
        out.extend_from_slice(labels);
        if !labels.is_empty() && !more.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(more);
        out.push(b'}');
    }
    out.push(b' ');
}

/// Writes `value / scale` exactly.
#[inline]
fn scaled(out: &mut Vec<u8>, value: u64, scale: u64) {
    let mut buffer = itoa::Buffer::new();
    if scale != NANO {
        out.extend_from_slice(buffer.format(value).as_bytes());
        return;
    }
    out.extend_from_slice(buffer.format(value / NANO).as_bytes());
    let mut fraction = value % NANO;
    if fraction == 0 {
        return;
    }
    let mut digits = [b'0'; 9];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
    let used = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..used]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_values_are_exact() {
        let text = |value, scale| {
            let mut out = Vec::new();
            scaled(&mut out, value, scale);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(1_500_000_000, NANO), "1.5");
        assert_eq!(text(1, NANO), "0.000000001");
        assert_eq!(text(3_000_000_000, NANO), "3");
        assert_eq!(text(u64::MAX, NANO), "18446744073.709551615");
        assert_eq!(text(u64::MAX, 1), "18446744073709551615");
    }

    #[test]
    fn bounds_are_written_as_floats() {
        assert_eq!(
            le_pairs(&[0.005, 1.0, 1e6]),
            ["le=\"0.005\"", "le=\"1.0\"", "le=\"1000000.0\"", "le=\"+Inf\""]
        );
    }
}
