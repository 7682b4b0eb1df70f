//! In place of axum: nothing is known from extensions.

use std::net::IpAddr;

use http::Extensions;

pub(crate) fn template(_: &Extensions) -> Option<&str> {
    None
}

pub(crate) fn peer(_: &Extensions) -> Option<IpAddr> {
    None
}
