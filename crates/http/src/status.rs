//! Statuses of answers as label values.

use bellwether_core::LabelValue;

macro_rules! statuses {
    ($($(#[$doc:meta])* $text:literal $code:literal $name:ident,)*) => {
        /// The status of an answer: the usual codes one by one, an unusual one by its class, so that
        /// `status=~"5.."` matches every server error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
        pub enum Status {
            $($(#[$doc])* #[label($text)] $name,)*
            /// Any other code from 100 to 199.
            #[label("1xx")]
            OtherInformational,
            /// Any other code from 200 to 299.
            #[label("2xx")]
            OtherSuccess,
            /// Any other code from 300 to 399.
            #[label("3xx")]
            OtherRedirection,
            /// Any other code from 400 to 499.
            #[label("4xx")]
            OtherClientError,
            /// Any other code from 500 to 599, and every number that is no status code.
            #[label("5xx")]
            OtherServerError,
        }

        const fn status(code: u16) -> Status {
            match code {
                $($code => Status::$name,)*
                100..=199 => Status::OtherInformational,
                200..=299 => Status::OtherSuccess,
                300..=399 => Status::OtherRedirection,
                400..=499 => Status::OtherClientError,
                _ => Status::OtherServerError,
            }
        }
    };
}

statuses! {
    /// 101.
    "101" 101 SwitchingProtocols,
    /// 200.
    "200" 200 Ok,
    /// 201.
    "201" 201 Created,
    /// 202.
    "202" 202 Accepted,
    /// 204.
    "204" 204 NoContent,
    /// 206.
    "206" 206 PartialContent,
    /// 301.
    "301" 301 MovedPermanently,
    /// 302.
    "302" 302 Found,
    /// 303.
    "303" 303 SeeOther,
    /// 304.
    "304" 304 NotModified,
    /// 307.
    "307" 307 TemporaryRedirect,
    /// 308.
    "308" 308 PermanentRedirect,
    /// 400.
    "400" 400 BadRequest,
    /// 401.
    "401" 401 Unauthorized,
    /// 403.
    "403" 403 Forbidden,
    /// 404.
    "404" 404 NotFound,
    /// 405.
    "405" 405 MethodNotAllowed,
    /// 406.
    "406" 406 NotAcceptable,
    /// 408.
    "408" 408 RequestTimeout,
    /// 409.
    "409" 409 Conflict,
    /// 410.
    "410" 410 Gone,
    /// 411.
    "411" 411 LengthRequired,
    /// 412.
    "412" 412 PreconditionFailed,
    /// 413.
    "413" 413 ContentTooLarge,
    /// 415.
    "415" 415 UnsupportedMediaType,
    /// 416.
    "416" 416 RangeNotSatisfiable,
    /// 422.
    "422" 422 UnprocessableContent,
    /// 425.
    "425" 425 TooEarly,
    /// 426.
    "426" 426 UpgradeRequired,
    /// 428.
    "428" 428 PreconditionRequired,
    /// 429.
    "429" 429 TooManyRequests,
    /// 431.
    "431" 431 HeaderFieldsTooLarge,
    /// 499: the client went away before the answer; no server sends it.
    "499" 499 ClientClosedRequest,
    /// 500.
    "500" 500 InternalServerError,
    /// 501.
    "501" 501 NotImplemented,
    /// 502.
    "502" 502 BadGateway,
    /// 503.
    "503" 503 ServiceUnavailable,
    /// 504.
    "504" 504 GatewayTimeout,
    /// 505.
    "505" 505 VersionNotSupported,
    /// 507.
    "507" 507 InsufficientStorage,
}

const CODES: usize = 600;
static TABLE: [Status; CODES] = {
    let mut table = [Status::OtherServerError; CODES];
    let mut code = 0;
    while code < CODES {
        table[code] = status(code as u16);
        code += 1;
    }
    table
};

impl Status {
    /// The status of a code. A number below 100 or above 599 is no status: a server that sends one
    /// is wrong, so it counts as `5xx`.
    ///
    /// Cost: one look-up in a table.
    ///
    /// ```
    /// use bellwether_http::Status;
    ///
    /// assert_eq!(Status::from_code(404), Status::NotFound);
    /// assert_eq!(Status::from_code(418), Status::OtherClientError);
    /// assert_eq!(Status::from_code(999), Status::OtherServerError);
    /// ```
    #[inline]
    #[must_use]
    pub fn from_code(code: u16) -> Self {
        TABLE.get(usize::from(code)).copied().unwrap_or(Self::OtherServerError)
    }

    /// The first digit of the code.
    #[must_use]
    pub fn class(self) -> StatusClass {
        // The variants stand in the order of their codes, the catch-alls at the end in that of the
        // classes.
        match self {
            Self::SwitchingProtocols | Self::OtherInformational => StatusClass::Informational,
            Self::OtherSuccess => StatusClass::Success,
            Self::OtherRedirection => StatusClass::Redirection,
            Self::OtherClientError => StatusClass::ClientError,
            Self::OtherServerError => StatusClass::ServerError,
            status if (status as u32) < Self::MovedPermanently as u32 => StatusClass::Success,
            status if (status as u32) < Self::BadRequest as u32 => StatusClass::Redirection,
            status if (status as u32) < Self::InternalServerError as u32 => StatusClass::ClientError,
            _ => StatusClass::ServerError,
        }
    }
}

impl From<u16> for Status {
    fn from(code: u16) -> Self {
        Self::from_code(code)
    }
}

impl From<http::StatusCode> for Status {
    fn from(code: http::StatusCode) -> Self {
        Self::from_code(code.as_u16())
    }
}

/// The class of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
pub enum StatusClass {
    /// 100 to 199.
    #[label("1xx")]
    Informational,
    /// 200 to 299.
    #[label("2xx")]
    Success,
    /// 300 to 399.
    #[label("3xx")]
    Redirection,
    /// 400 to 499.
    #[label("4xx")]
    ClientError,
    /// 500 to 599, and every number that is no status code.
    #[label("5xx")]
    ServerError,
}

#[cfg(test)]
mod tests {
    use bellwether_core::ValueSpec;

    use super::*;

    fn text<V: LabelValue>(value: V) -> &'static str {
        let ValueSpec::Closed { texts, .. } = V::VALUES else { panic!("closed") };
        texts[value.index() as usize]
    }

    #[test]
    fn every_number_has_a_status_of_its_class() {
        for code in 0..=u16::MAX {
            let (status, text) = (Status::from_code(code), text(Status::from_code(code)));
            let class = if (100..600).contains(&code) { code / 100 } else { 5 };
            let catch_all = format!("{class}xx");
            assert!(text == code.to_string() || text == catch_all, "{code} is {text}");
            assert_eq!(self::text(status.class()), catch_all, "{code}");
        }
    }
}
