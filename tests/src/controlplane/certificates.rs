//! The keys and certificates of one control plane, made anew for each.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// The members of this group may do everything, whatever the roles say.
const ADMINISTRATORS: &str = "system:masters";

/// The user that the bootstrap roles of the API server let run the controllers.
const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";

/// Everything the components need, as PEM.
pub(super) struct Certificates {
    /// Certificate of the authority that signs the others, for servers and clients alike.
    pub(super) authority: String,
    /// The API server's own certificate, for loopback addresses and the names it has inside a cluster.
    pub(super) server: Identity,
    /// A client certificate without limits.
    pub(super) administrator: Identity,
    /// The client certificate of the controller manager.
    pub(super) controller_manager: Identity,
    /// The keys that sign and verify the tokens of service accounts.
    pub(super) service_accounts: TokenKeys,
}

/// A certificate with its private key, as PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// A key pair that signs tokens, as PEM.
pub(super) struct TokenKeys {
    pub(super) private: String,
    pub(super) public: String,
}

impl Certificates {
    /// Makes all keys and certificates.
    pub(super) fn generate() -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "local control plane");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = params.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(params, authority_key);

        let tokens = KeyPair::generate()?;
        Ok(Self {
            authority,
            server: server(&issuer)?,
            administrator: client(&issuer, "administrator", Some(ADMINISTRATORS))?,
            controller_manager: client(&issuer, CONTROLLER_MANAGER, None)?,
            service_accounts: TokenKeys { private: tokens.serialize_pem(), public: tokens.public_key_pem() },
        })
    }
}

fn server(issuer: &Issuer<'_, KeyPair>) -> Result<Identity, rcgen::Error> {
    let names = ["localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let mut params = CertificateParams::new(names.map(String::from))?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    signed(params, issuer)
}

/// The API server takes the user's name from the common name and the groups from the organizations
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates>).
fn client(issuer: &Issuer<'_, KeyPair>, user: &str, group: Option<&str>) -> Result<Identity, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    signed(params, issuer)
}

fn signed(mut params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<Identity, rcgen::Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok(Identity { certificate: params.signed_by(&key, issuer)?.pem(), key: key.serialize_pem() })
}
