//! The rules for names, shared by the derive macro (at compile time) and the readers (at run time).

/// Suffixes that belong to the series of a histogram or summary, or to OpenMetrics, and are
/// therefore refused at the end of a declared name.
pub const CONVENTIONAL_SUFFIXES: [&str; 5] = ["_bucket", "_sum", "_count", "_created", "_info"];

/// Whether `name` is snake_case ASCII that starts with a letter: the form which Prometheus' naming
/// practices ask for (the exposition itself also allows `:` and upper case).
#[must_use]
pub fn is_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether `name` may be declared as a label: snake_case, not starting with `__`, and none of the
/// names that Prometheus itself gives a meaning (`le`, `quantile`, `job`, `instance`).
#[must_use]
pub fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !matches!(name, "le" | "quantile" | "job" | "instance")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_metric_name("http_requests_total"));
        for bad in ["", "1a", "Http", "a-b", "a:b", "_a", "é"] {
            assert!(!is_metric_name(bad), "{bad}");
        }
        assert!(is_label_name("route"));
        for bad in ["le", "quantile", "job", "instance", "__name__"] {
            assert!(!is_label_name(bad), "{bad}");
        }
    }
}
