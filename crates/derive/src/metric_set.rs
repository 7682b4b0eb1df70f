use bellwether_catalog::{CONVENTIONAL_SUFFIXES, is_metric_name};
use heck::ToSnakeCase;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Ident, Lit, LitStr, Meta, Result, Token};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(name, "a metric set is a struct of instruments"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(name, "a metric set has named fields"));
    };
    let domain = domain(input)?;
    let mut metrics: Vec<Declared<'_>> = Vec::new();
    let (mut idents, mut values) = (Vec::new(), Vec::new());
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        idents.push(ident);
        match declared(field)? {
            Some(metric) => {
                if metrics.iter().any(|other| other.name.value() == metric.name.value()) {
                    return Err(Error::new(metric.name.span(), "two metrics have this name: rename one"));
                }
                let (description, ty) = (metric.description(&domain), &field.ty);
                values.push(quote! {
                    <#ty as ::bellwether_core::Instrument>::register(registrar, #description)
                });
                metrics.push(metric);
            }
            None => values.push(quote! { ::bellwether_core::Registrar::collectors(registrar) }),
        }
    }
    let descriptions = metrics.iter().map(|metric| metric.description(&domain));
    let checks = metrics.iter().map(Declared::checks);
    let series = metrics.iter().map(Declared::series);
    Ok(quote! {
        impl ::bellwether_core::MetricSet for #name {
            const DOMAIN: &'static str = #domain;
            const MAX_SERIES: u64 = 0 #(+ #series)*;

            fn describe() -> ::std::vec::Vec<::bellwether_core::catalog::Metric> {
                ::std::vec![#(#descriptions),*]
            }

            fn register(registrar: &::bellwether_core::Registrar) -> Self {
                Self { #(#idents: #values),* }
            }
        }

        #(#checks)*
    })
}

fn domain(input: &DeriveInput) -> Result<String> {
    let mut domain = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("metrics")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("domain") {
                return Err(meta.error("a metric set takes `#[metrics(domain = \"name\")]`"));
            }
            domain = Some(meta.value()?.parse::<LitStr>()?.value());
            Ok(())
        })?;
    }
    domain.ok_or_else(|| {
        Error::new_spanned(&input.ident, "say which domain this is: `#[metrics(domain = \"name\")]`")
    })
}

/// One field with `#[metric(…)]`.
struct Declared<'a> {
    field: &'a Field,
    name: LitStr,
    help: String,
    buckets: Option<Expr>,
    unprefixed: bool,
}

/// The inside of `#[metric("name", buckets = BOUNDS, unprefixed)]`.
struct Arguments {
    name: LitStr,
    buckets: Option<Expr>,
    unprefixed: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self { name: input.parse()?, buckets: None, unprefixed: false };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            if key == "buckets" {
                input.parse::<Token![=]>()?;
                arguments.buckets = Some(input.parse()?);
            } else if key == "unprefixed" {
                arguments.unprefixed = true;
            } else {
                let message = "a metric takes its name, then `buckets = BOUNDS` and `unprefixed`";
                return Err(Error::new(key.span(), message));
            }
        }
        Ok(arguments)
    }
}

fn declared(field: &Field) -> Result<Option<Declared<'_>>> {
    let Some(attribute) = field.attrs.iter().find(|attribute| attribute.path().is_ident("metric")) else {
        let is_collectors = matches!(&field.ty, syn::Type::Path(path)
            if path.path.segments.last().is_some_and(|segment| segment.ident == "Collectors"));
        if is_collectors {
            return Ok(None);
        }
        let message =
            "say under which name this is exposed: `#[metric(\"name\")]` (only `Collectors` goes without)";
        return Err(Error::new_spanned(&field.ident, message));
    };
    let Arguments { name, buckets, unprefixed } = attribute.parse_args()?;
    let text = name.value();
    if !is_metric_name(&text) {
        let message = format!("a metric name is snake_case: `{}`", text.to_snake_case());
        return Err(Error::new(name.span(), message));
    }
    let info = text == "build_info";
    if let Some(suffix) = CONVENTIONAL_SUFFIXES.iter().find(|suffix| text.ends_with(**suffix) && !info) {
        let message = format!(
            "`{suffix}` belongs to the series that Prometheus makes itself: end the name differently"
        );
        return Err(Error::new(name.span(), message));
    }
    let help = help(field);
    if help.is_empty() {
        let message =
            "the doc comment is the help text that operators read: write one sentence on what this counts";
        return Err(Error::new_spanned(&field.ident, message));
    }
    Ok(Some(Declared { field, name, help, buckets, unprefixed }))
}

fn help(field: &Field) -> String {
    let lines = field.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    // Only the first paragraph: what follows is for readers of the code.
    lines.skip_while(String::is_empty).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

impl Declared<'_> {
    fn bounds(&self) -> TokenStream {
        self.buckets.as_ref().map_or_else(|| quote! { &[] }, |buckets| quote! { #buckets })
    }

    fn description(&self, domain: &str) -> TokenStream {
        let (ty, name, help, bounds) = (&self.field.ty, &self.name, &self.help, self.bounds());
        let unprefixed = self.unprefixed.then(|| quote! { .unprefixed() });
        quote! {
            <#ty as ::bellwether_core::Instrument>::describe(#name)
                .help(#help)
                .domain(#domain)
                .buckets(#bounds)
                #unprefixed
        }
    }

    fn series(&self) -> TokenStream {
        let (ty, bounds) = (&self.field.ty, self.bounds());
        quote! {
            <#ty as ::bellwether_core::Instrument>::MAX_COMBINATIONS
                * ::bellwether_core::private::series_each(<#ty as ::bellwether_core::Instrument>::KIND, #bounds)
        }
    }

    /// Each check points at what it is about.
    fn checks(&self) -> TokenStream {
        let (ty, name, bounds) = (&self.field.ty, &self.name, self.bounds());
        let instrument = quote! { <#ty as ::bellwether_core::Instrument> };
        let kind = quote! { #instrument::KIND };
        let of_name = quote_spanned! { name.span() =>
            ::bellwether_core::private::check_name(#name, #kind, #instrument::UNIT)
        };
        let of_buckets = quote_spanned! { self.buckets.as_ref().map_or(name.span(), Spanned::span) =>
            ::bellwether_core::private::check_buckets(#kind, #bounds)
        };
        let of_table = quote_spanned! { ty.span() =>
            ::bellwether_core::private::check_table(#instrument::LABELS)
        };
        quote! {
            const _: () = #of_name;
            const _: () = #of_buckets;
            const _: () = #of_table;
        }
    }
}
