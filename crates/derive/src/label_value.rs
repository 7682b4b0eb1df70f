use heck::ToSnakeCase;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DataEnum, DataStruct, DeriveInput, Error, Fields, LitInt, LitStr, Result, Variant,
};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    match &input.data {
        Data::Enum(data) => closed(input, data),
        Data::Struct(data) => open(input, data),
        Data::Union(_) => {
            Err(Error::new_spanned(&input.ident, "a label value is an enum, or a struct over `Interned`"))
        }
    }
}

fn closed(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    let name = &input.ident;
    if data.variants.is_empty() {
        return Err(Error::new_spanned(name, "a closed label needs at least one variant"));
    }
    let mut texts: Vec<String> = Vec::new();
    let mut other = None;
    for variant in &data.variants {
        if !variant.fields.is_empty() || variant.discriminant.is_some() {
            let message = "a variant of a closed label has neither fields nor a number; for free text use \
                           `#[label(open, limit = N)] struct Name(Interned)`";
            return Err(Error::new_spanned(variant, message));
        }
        let (text, is_other) = variant_text(variant)?;
        if texts.contains(&text) {
            let message = format!("two variants have the text {text:?}: rename one");
            return Err(Error::new_spanned(&variant.ident, message));
        }
        texts.push(text);
        if is_other && other.replace(&variant.ident).is_some() {
            return Err(Error::new_spanned(&variant.ident, "only one variant can be `#[label(other)]`"));
        }
    }
    let has_other = other.is_some();
    let other = other.map(|variant| {
        quote! { #[inline] fn other(self) -> Self { Self::#variant } }
    });
    Ok(quote! {
        impl ::bellwether_core::LabelValue for #name {
            const VALUES: ::bellwether_core::ValueSpec =
                ::bellwether_core::ValueSpec::Closed { texts: &[#(#texts),*], has_other: #has_other };
            #[inline]
            fn index(self) -> u32 { self as u32 }
            #other
        }
    })
}

fn variant_text(variant: &Variant) -> Result<(String, bool)> {
    let (mut text, mut other) = (variant.ident.to_string().to_snake_case(), false);
    for attribute in labels(&variant.attrs) {
        if let Ok(literal) = attribute.parse_args::<LitStr>() {
            text = literal.value();
        } else {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("other") {
                    other = true;
                    Ok(())
                } else {
                    Err(meta.error("a variant takes `#[label(\"text\")]` or `#[label(other)]`"))
                }
            })?;
        }
    }
    Ok((text, other))
}

fn open(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let name = &input.ident;
    let usage = "an open label is `#[label(open, limit = N)] struct Name(Interned);`";
    if !matches!(&data.fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1) {
        return Err(Error::new_spanned(name, usage));
    }
    let (mut is_open, mut limit) = (false, None);
    for attribute in labels(&input.attrs) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("open") {
                is_open = true;
                return Ok(());
            }
            if meta.path.is_ident("limit") {
                let literal: LitInt = meta.value()?.parse()?;
                let value: u32 = literal.base10_parse()?;
                if value == 0 || value > 1_000_000 {
                    return Err(Error::new_spanned(
                        literal,
                        "a limit is a number of texts from 1 to 1000000",
                    ));
                }
                limit = Some(value);
                return Ok(());
            }
            Err(meta.error(usage))
        })?;
    }
    let (true, Some(limit)) = (is_open, limit) else {
        return Err(Error::new_spanned(
            name,
            format!("{usage}: without a limit a flood of values would grow memory"),
        ));
    };
    Ok(quote! {
        impl ::bellwether_core::LabelValue for #name {
            const VALUES: ::bellwether_core::ValueSpec = ::bellwether_core::ValueSpec::Open {
                limit: #limit,
                interner: <Self as ::bellwether_core::OpenLabel>::interner,
            };
            #[inline]
            fn index(self) -> u32 { self.0.index() }
            #[inline]
            fn interned(self) -> ::core::option::Option<::bellwether_core::Interned> {
                ::core::option::Option::Some(self.0)
            }
            #[inline]
            fn other(self) -> Self { Self(::bellwether_core::Interned::OTHER) }
        }

        impl ::bellwether_core::OpenLabel for #name {
            fn interner() -> &'static ::bellwether_core::Interner {
                static INTERNER: ::bellwether_core::private::LazyLock<::bellwether_core::Interner> =
                    ::bellwether_core::private::LazyLock::new(|| ::bellwether_core::Interner::new(#limit));
                &INTERNER
            }
            #[inline]
            fn from_interned(value: ::bellwether_core::Interned) -> Self { Self(value) }
        }
    })
}

fn labels(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("label"))
}
