//! Bundles of certificates.

/// The certificates of a PEM bundle (RFC 7468), in their order and with nothing around them: no comment, and no block of
/// another kind, such as a private key that was put beside its certificate.
pub(super) fn certificates(bundle: &str) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut certificates = String::new();
    for block in bundle.split(BEGIN).skip(1) {
        let Some((body, _)) = block.split_once(END) else { continue };
        let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
        for line in std::iter::once(BEGIN).chain(lines).chain([END]) {
            certificates.push_str(line);
            certificates.push('\n');
        }
    }
    certificates
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::certificates;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

    #[rstest]
    #[case::alone(ONE.to_owned(), ONE)]
    #[case::with_carriage_returns(ONE.replace('\n', "\r\n"), ONE)]
    #[case::with_a_comment(format!("# our own\n{ONE}"), ONE)]
    #[case::beside_its_key(format!("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n{ONE}"), ONE)]
    #[case::before_its_key(format!("{ONE}-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n"), ONE)]
    #[case::broken_off("-----BEGIN CERTIFICATE-----\nMIIB\n".to_owned(), "")]
    #[case::nothing(String::new(), "")]
    fn only_certificates_are_taken(#[case] bundle: String, #[case] expected: &str) {
        assert_eq!(certificates(&bundle), expected);
    }
}
