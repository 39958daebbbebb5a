//! The backends of this repository, and where a new one is registered: a row below, its feature in Cargo.toml.

use std::sync::Arc;

use token_storage_core::backend::{Layer, MemoryScheme, Scheme};

/// Makes of each row the module that the facade shows, the scheme that is built in, and the hint at a feature that is off.
/// The feature has the name of the scheme.
macro_rules! backends {
    ($($feature:literal: $backend:ident as $module:ident, $scheme:ident;)*) => {
        /// The crates of the backends, for the facade's root.
        #[allow(unreachable_pub, reason = "the facade's root shows what is in it")]
        pub mod modules {
            $(
                #[cfg(feature = $feature)]
                pub use $backend as $module;
            )*
        }

        /// The schemes that come with a feature, whether it is on or not.
        pub(crate) const FEATURES: &[&str] = &[$($feature),*];

        /// The schemes that are compiled in.
        pub(crate) fn compiled_in() -> Vec<Arc<dyn Scheme>> {
            vec![
                $(
                    #[cfg(feature = $feature)]
                    Arc::new($backend::$scheme),
                )*
                Arc::new(MemoryScheme),
            ]
        }
    };
}

/// The layers that come with a feature, whether it is on or not, and that feature.
pub(crate) const LAYERS: &[(&str, &str)] = &[("encrypted", "encryption"), ("traced", "traced")];

/// The layers that are compiled in.
pub(crate) fn compiled_in_layers() -> Vec<Arc<dyn Layer>> {
    vec![
        Arc::new(crate::layers::ReadOnlyLayer),
        #[cfg(feature = "traced")]
        Arc::new(crate::layers::TracedLayer),
        #[cfg(feature = "encryption")]
        Arc::new(token_storage_encryption::EncryptedLayer::from_environment()),
    ]
}

backends! {
    "sqlite": token_storage_sqlite as sqlite, SqliteScheme;
    "json": token_storage_json as json, JsonScheme;
    "dynamodb": token_storage_dynamodb as dynamodb, DynamoDbScheme;
}
