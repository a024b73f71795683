//! Why there was no HTTP answer.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};

use super::{
    clients::Egress,
    denied_networks::AddressDenied,
    problem::{Outage, Problem, TlsFault},
};

/// Names the cause of a failed exchange. Nothing of the error itself is kept: it holds the URL.
pub(super) fn cause(error: &reqwest::Error, egress: &Egress) -> Problem {
    if find::<AddressDenied>(error).is_some() {
        return Problem::HostNotAllowed;
    }
    if let Some(fault) = find::<rustls::Error>(error) {
        return Problem::Tls(tls_fault(fault));
    }
    if error.is_timeout() {
        return Problem::Unreachable(Outage::TimedOut);
    }
    if !error.is_connect() {
        return Problem::Unreachable(Outage::Interrupted);
    }
    // The tunnel's end is all that can be seen: its own failures and those behind it look alike.
    match egress {
        Egress::Connection(_) | Egress::Operator(_) => Problem::Unreachable(Outage::Proxy),
        Egress::Direct if error.is_dns() => Problem::Unreachable(Outage::NameNotResolved),
        Egress::Direct => Problem::Unreachable(Outage::NotConnected),
    }
}

fn tls_fault(error: &rustls::Error) -> TlsFault {
    match error {
        rustls::Error::InvalidCertificate(it) => certificate_fault(it),
        rustls::Error::AlertReceived(it) => alert_fault(*it),
        _ => TlsFault::Handshake,
    }
}

fn certificate_fault(error: &CertificateError) -> TlsFault {
    match error {
        // A trusted authority of the same name has another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownIssuer,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsFault::Expired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::NameMismatch,
        _ => TlsFault::Handshake,
    }
}

/// What the server says of our certificate (RFC 8446, 6.2).
fn alert_fault(alert: AlertDescription) -> TlsFault {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => TlsFault::ClientCertificate,
        _ => TlsFault::Handshake,
    }
}

/// The first error of this type among an error and its sources.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // The source of an io::Error is the source of what it wraps, so the wrapped error itself is looked at first.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|it| it as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}
