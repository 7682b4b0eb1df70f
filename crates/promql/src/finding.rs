use std::fmt;
use std::ops::Range;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works, but hardly as meant.
    Warning,
    /// It cannot work.
    Error,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $severity:ident, $title:literal;)*) => {
        /// What can be found; each has a code that stays.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code: `BW101`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// How much it weighs.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// What it is about, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    /// The expression cannot be read.
    Syntax = "BW001", Error, "not PromQL";
    /// No metric has this name.
    UnknownMetric = "BW101", Error, "unknown metric";
    /// The metric has no such label.
    UnknownLabel = "BW102", Error, "unknown label";
    /// A closed label never has a value that the matcher asks for.
    UnknownValue = "BW103", Error, "value that never occurs";
    /// `rate` and its kin of a gauge.
    RateOfGauge = "BW201", Error, "rate of a gauge";
    /// A counter's own value compared with a number.
    RawCounter = "BW202", Warning, "raw counter compared";
    /// The base name of a histogram, which no series has.
    HistogramBaseName = "BW203", Error, "base name of a histogram";
    /// `histogram_quantile` of something that has no `le`.
    QuantileWithoutLe = "BW204", Error, "histogram_quantile without le";
    /// `delta`, `deriv` and their kin of a counter.
    DeltaOfCounter = "BW205", Error, "delta of a counter";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub code: Code,
    /// One line: what is wrong.
    pub message: String,
    /// Why, from what the catalog says.
    pub reason: String,
    /// What to do.
    pub fix: String,
    /// The bytes of the expression that it is about.
    pub span: Range<usize>,
}
