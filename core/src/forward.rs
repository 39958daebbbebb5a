//! A pointer to a storage is a storage.

use std::sync::Arc;

use crate::{TokenStorage, backend::forward};

macro_rules! pointer {
    ($pointer:ty) => {
        impl<S: TokenStorage + ?Sized> TokenStorage for $pointer {
            // What it points to: no field has a name here.
            forward!(@place self [(**self)] => get, store_all, remove, prove_writable, describe, enumerate, lease);
        }
    };
}

pointer!(Arc<S>);
pointer!(Box<S>);
pointer!(&S);
