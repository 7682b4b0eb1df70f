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
}

impl Pairs<'_> {
    /// Writes the pair for the series `index`; false if its value has ended meanwhile.
    fn write(&self, index: usize, line: &mut Vec<u8>) -> bool {
        let digit = self.radix.digit(index);
        let Some(interner) = self.open else {
            line.extend_from_slice(self.closed[digit].as_bytes());
            return true;
        };
        let Some(text) = interner.escaped(digit as u32) else { return false };
        for part in [self.name, "=\"", &text, "\""] {
            line.extend_from_slice(part.as_bytes());
        }
        true
    }
}

/// Writes the labels of one series after another into a line that is used again: as long as only
/// the last label changes, the rest stays.
struct Labels<'a> {
    pairs: Vec<Pairs<'a>>,
    global: &'a str,
    line: Vec<u8>,
    /// How much of the line belongs to all labels but the last.
    head: usize,
    previous: Option<usize>,
}

impl<'a> Labels<'a> {
    fn new(family: &'a Family, global: &'a str) -> Self {
        let pairs = family
            .labels
            .iter()
            .zip(family.radices())
            .map(|(label, radix)| {
                let (closed, open) = match label.values {
                    ValueSpec::Closed { texts, .. } => {
                        let pair = |text: &&str| format!("{}=\"{}\"", label.name, escape(text));
                        (texts.iter().map(pair).collect(), None)
                    }
                    ValueSpec::Open { interner, .. } => (Vec::new(), Some(interner())),
                };
                Pairs { radix, name: label.name, closed, open }
            })
            .collect();
        Self { pairs, global, line: Vec::with_capacity(256), head: 0, previous: None }
    }

    /// The labels of the series `index` without braces; none if one of its values has ended.
    fn of(&mut self, index: usize) -> Option<&[u8]> {
        let Some((last, head)) = self.pairs.split_last() else {
            return Some(self.global.trim_end_matches(',').as_bytes());
        };
        // The last label's digit is the innermost one if its step is 1.
        let group = (last.open.is_none() && last.radix.step == 1).then(|| index / last.closed.len());
        if group.is_none() || group != self.previous {
            self.previous = None;
            self.line.clear();
            self.line.extend_from_slice(self.global.as_bytes());
            for pair in head {
                if !pair.write(index, &mut self.line) {
                    return None;
                }
                self.line.push(b',');
            }
            self.head = self.line.len();
            self.previous = group;
        }
        self.line.truncate(self.head);
        last.write(index, &mut self.line).then_some(&*self.line)
    }
}

/// Writes a family with all its series.
pub(crate) fn family(out: &mut Vec<u8>, family: &Family, global: &str, format: Format) {
    header(out, family, format);
    let mut labels = Labels::new(family, global);
    let name = family.metric.name.as_bytes();
    match family.metric.kind {
        Kind::Counter => family.visit(|index, sums| {
            let Some(labels) = labels.of(index) else { return };
            series(out, name, "", labels, &[]);
            scaled(out, sums[0], family.scale);
            out.push(b'\n');
        }),
        Kind::Gauge => family.visit(|index, sums| {
            let Some(labels) = labels.of(index) else { return };
            series(out, name, "", labels, &[]);
            let value = sums[0].cast_signed();
            if value < 0 {
                out.push(b'-');
            }
            scaled(out, value.unsigned_abs(), family.scale);
            out.push(b'\n');
        }),
        Kind::Histogram => {
            let bounds = le_pairs(&family.metric.buckets);
            family.visit(|index, sums| {
                let Some(labels) = labels.of(index) else { return };
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
