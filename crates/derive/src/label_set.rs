use bellwether_catalog::{is_label_name, is_metric_name};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, LitInt, LitStr, Result};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(name, "a label set is a struct with one field per label"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(name, "a label set has named fields: the names of its labels"));
    };
    if fields.named.is_empty() {
        return Err(Error::new_spanned(name, "a label set has at least one field; no labels are `()`"));
    }
    let (mut idents, mut types, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let mut label = (ident.to_string().trim_start_matches("r#").to_owned(), ident.span());
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("label")) {
            let literal: LitStr = attribute.parse_args()?;
            label = (literal.value(), literal.span());
        }
        let (label, span) = label;
        if !is_metric_name(&label) {
            return Err(Error::new(
                span,
                format!("{label:?} is no label name: use snake_case, a letter first"),
            ));
        }
        if !is_label_name(&label) {
            let message = format!(
                "{label:?} is a label that Prometheus itself sets: name yours differently with `#[label(\"…\")]`"
            );
            return Err(Error::new(span, message));
        }
        if names.contains(&label) {
            return Err(Error::new(span, format!("two fields are the label {label:?}")));
        }
        idents.push(ident);
        types.push(&field.ty);
        names.push(label);
    }
    let limit = limit(input)?;
    let positions = 0..idents.len();
    let (positions2, positions) = (positions.clone(), positions);
    let value = quote! { ::bellwether_core::LabelValue };
    Ok(quote! {
        impl ::bellwether_core::LabelSet for #name {
            const LABELS: &'static [::bellwether_core::LabelSpec] = &[
                #(::bellwether_core::LabelSpec { name: #names, values: <#types as #value>::VALUES }),*
            ];
            #limit

            #[inline]
            fn index(self) -> usize {
                let mut index = ::bellwether_core::LabelSet::block(self);
                #(if let ::bellwether_core::ValueSpec::Closed { texts, .. } = <#types as #value>::VALUES {
                    index = index * texts.len() + #value::index(self.#idents) as usize;
                })*
                index
            }

            #[inline]
            fn block(self) -> usize {
                let mut block = 0_usize;
                #(if let ::bellwether_core::ValueSpec::Open { limit, .. } = <#types as #value>::VALUES {
                    block = block * (limit as usize + 1) + #value::index(self.#idents) as usize;
                })*
                block
            }

            #[inline]
            fn generation(self) -> u64 {
                0 #(+ #value::interned(self.#idents).map_or(0, |value| value.generation() as u64))*
            }

            fn each_open(self, visit: &mut dyn FnMut(usize, ::bellwether_core::Interned)) {
                #(if let ::core::option::Option::Some(value) = #value::interned(self.#idents) {
                    visit(#positions, value);
                })*
            }

            fn without_open(mut self, position: usize) -> Self {
                #(if position == #positions2 { self.#idents = #value::other(self.#idents); })*
                self
            }

            fn other(self) -> Self {
                Self { #(#idents: #value::other(self.#idents)),* }
            }
        }
    })
}

fn limit(input: &DeriveInput) -> Result<Option<TokenStream>> {
    let mut limit = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("labels")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("limit") {
                return Err(meta.error("a label set takes `#[labels(limit = N)]`"));
            }
            let literal: LitInt = meta.value()?.parse()?;
            let value: u64 = literal.base10_parse()?;
            limit = Some(
                quote! { const LIMIT: ::core::option::Option<u64> = ::core::option::Option::Some(#value); },
            );
            Ok(())
        })?;
    }
    Ok(limit)
}
