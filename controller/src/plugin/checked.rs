//! What the two kinds have in common for commands that act on either.

use crds::{Condition, JiraConnection, WorkspaceBinding};
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use serde::de::DeserializeOwned;

use super::subject::Kind;

/// An object that the operator checks.
pub trait Checked:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug
{
    /// Its kind.
    const KIND: Kind;

    /// Whether it is switched off.
    fn is_suspended(&self) -> bool;

    /// Last wish for a check that was carried out.
    fn handled(&self) -> Option<&str>;

    /// Generation of the spec that the status speaks of.
    fn observed(&self) -> Option<i64>;

    /// The conditions of its status.
    fn conditions(&self) -> &[Condition];

    /// Whether the operator has looked at the present spec.
    fn is_observed(&self) -> bool {
        self.observed().is_some() && self.observed() == self.meta().generation
    }
}

/// The two kinds have specs and statuses of their own, with the same fields for this.
macro_rules! checked {
    ($object:ty, $kind:expr) => {
        impl Checked for $object {
            const KIND: Kind = $kind;

            fn is_suspended(&self) -> bool {
                self.spec.suspend == Some(true)
            }

            fn handled(&self) -> Option<&str> {
                self.status.as_ref()?.last_handled_requested_at.as_deref()
            }

            fn observed(&self) -> Option<i64> {
                self.status.as_ref()?.observed_generation
            }

            fn conditions(&self) -> &[Condition] {
                self.status.as_ref().map_or(&[], |status| &status.conditions)
            }
        }
    };
}

checked!(JiraConnection, Kind::Connection);
checked!(WorkspaceBinding, Kind::Binding);
