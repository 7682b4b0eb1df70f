//! The derive macros of `bellwether-core`. Use them from there; its front page has a full example.
//!
//! What is wrong with a declaration is said at compile time, at the place, with the fix: names that
//! are not snake_case, suffixes that do not fit, reserved labels, bad buckets, limits too high.

mod label_set;
mod label_value;
mod metric_set;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// The values of one label.
///
/// On an enum without fields the values are closed: each variant in snake_case, or as
/// `#[label("text")]` says. A variant marked `#[label(other)]` takes what is over a label set's limit.
///
/// On a tuple struct over `Interned`, `#[label(open, limit = N)]` makes an open label of at most `N`
/// texts, made by `OpenLabel::new` or `OpenLabel::register`.
#[proc_macro_derive(LabelValue, attributes(label))]
pub fn label_value(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    label_value::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// The labels of a metric: a struct whose fields are `LabelValue`s. A field is exposed under its own
/// name, or as `#[label("name")]` says. `#[labels(limit = N)]` on the struct bounds the combinations.
#[proc_macro_derive(LabelSet, attributes(label, labels))]
pub fn label_set(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    label_set::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// The metrics of a domain: a struct of instruments.
///
/// The struct has `#[metrics(domain = "name")]`; each instrument has a doc comment, which becomes
/// the help text, and `#[metric("full_name")]`, for a histogram `#[metric("full_name", buckets = BOUNDS)]`.
/// With `unprefixed` the service's prefix is kept away from a standard name. A field without
/// `#[metric]` must be `Collectors`.
#[proc_macro_derive(MetricSet, attributes(metric, metrics))]
pub fn metric_set(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    metric_set::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
