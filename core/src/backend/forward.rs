//! What a wrapper does not change.

/// Writes the methods that a wrapper leaves to what it wraps: for an `impl` of [`TokenStorage`](crate::TokenStorage),
/// [`Enumerate`](crate::Enumerate), [`RefreshLease`](crate::RefreshLease) or [`LeaseGuard`](crate::LeaseGuard), inside of
/// it or beside others of its methods.
///
/// In front of the arrow stands what is wrapped, as a place or a call that begins with `self`; behind it the methods. A method
/// that is neither written nor named is an error of the compiler, one that a later version of the trait brings included. That is
/// why there is no way to say "all others": what a new method does to a wrapper that encrypts or refuses, its author decides.
/// Only `try_begin` and `finish` of a lease may be left out: they are steps taken together, and then are taken one by one; and
/// `list_outlines` of a listing, whose records then are read one by one. Do not forward that one where `get` is not forwarded, too.
///
/// ```
/// use token_storage_core::{
///     Precondition, Result, Revision, StorageInfo, TokenKey, TokenStorage, Write, async_trait, backend::forward,
/// };
///
/// /// Counts nothing but writes.
/// #[derive(Debug, Default)]
/// struct Counting<S> {
///     inner: S,
///     writes: std::sync::atomic::AtomicUsize,
/// }
///
/// #[async_trait]
/// impl<S: TokenStorage> TokenStorage for Counting<S> {
///     forward!(self.inner => get, remove, prove_writable, describe, enumerate, lease);
///
///     async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
///         self.writes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         self.inner.store_all(writes).await
///     }
/// }
/// # let _ = Counting::<token_storage_core::MemoryStorage>::default();
/// ```
///
/// A method that is forgotten:
///
/// ```compile_fail,E0046
/// # use token_storage_core::{TokenStorage, backend::forward};
/// # #[derive(Debug)] struct Wrapper<S>(S);
/// impl<S: TokenStorage> TokenStorage for Wrapper<S> {
///     forward!(self.0 => get, store_all, prove_writable, describe, enumerate, lease);
/// }
/// ```
// The methods are written as `async_trait` would write them: it does not see into a macro. What is returned is the future
// of what is wrapped, so forwarding costs no allocation.
#[doc(hidden)]
#[macro_export]
macro_rules! __forward {
    ($self:ident . $($rest:tt)+) => { $crate::__forward!(@place $self [$self .] $($rest)+); };

    (@place $self:ident [$($place:tt)+] => $($method:ident),+ $(,)?) => {
        $crate::__forward!(@each $self [$($place)+] $($method)+);
    };
    (@place $self:ident [$($place:tt)+] $next:tt $($rest:tt)+) => {
        $crate::__forward!(@place $self [$($place)+ $next] $($rest)+);
    };

    (@each $self:ident $place:tt) => {};
    (@each $self:ident $place:tt $method:ident $($rest:ident)*) => {
        $crate::__forward!(@$method $self $place);
        $crate::__forward!(@each $self $place $($rest)*);
    };

    // TokenStorage
    (@get $self:ident [$($place:tt)+]) => {
        fn get<'life0, 'life1, 'async_trait>(
            &'life0 $self,
            key: &'life1 $crate::TokenKey,
        ) -> $crate::__Future<'async_trait, $crate::Result<::std::option::Option<$crate::StoredToken>>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::TokenStorage as _;
            $($place)+.get(key)
        }
    };
    (@store_all $self:ident [$($place:tt)+]) => {
        fn store_all<'life0, 'life1, 'life2, 'async_trait>(
            &'life0 $self,
            writes: &'life1 [$crate::Write<'life2>],
        ) -> $crate::__Future<'async_trait, $crate::Result<::std::vec::Vec<$crate::Revision>>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::TokenStorage as _;
            $($place)+.store_all(writes)
        }
    };
    (@remove $self:ident [$($place:tt)+]) => {
        fn remove<'life0, 'life1, 'async_trait>(
            &'life0 $self,
            key: &'life1 $crate::TokenKey,
            precondition: $crate::Precondition,
        ) -> $crate::__Future<'async_trait, $crate::Result<bool>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::TokenStorage as _;
            $($place)+.remove(key, precondition)
        }
    };
    (@prove_writable $self:ident [$($place:tt)+]) => {
        fn prove_writable<'life0, 'life1, 'async_trait>(
            &'life0 $self,
            key: &'life1 $crate::TokenKey,
        ) -> $crate::__Future<'async_trait, $crate::Result<()>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::TokenStorage as _;
            $($place)+.prove_writable(key)
        }
    };
    (@describe $self:ident [$($place:tt)+]) => {
        fn describe(&$self) -> $crate::StorageInfo {
            #[allow(unused_imports)]
            use $crate::TokenStorage as _;
            $($place)+.describe()
        }
    };
    (@enumerate $self:ident [$($place:tt)+]) => {
        fn enumerate(&$self) -> ::std::option::Option<::std::boxed::Box<dyn $crate::Enumerate + '_>> {
            #[allow(unused_imports)]
            use $crate::TokenStorage as _;
            $($place)+.enumerate()
        }
    };
    (@lease $self:ident [$($place:tt)+]) => {
        fn lease(&$self) -> ::std::option::Option<::std::boxed::Box<dyn $crate::RefreshLease + '_>> {
            #[allow(unused_imports)]
            use $crate::TokenStorage as _;
            $($place)+.lease()
        }
    };

    // Enumerate
    (@list_keys $self:ident [$($place:tt)+]) => {
        fn list_keys<'life0, 'life1, 'life2, 'async_trait>(
            &'life0 $self,
            namespace: &'life1 str,
            after: ::std::option::Option<&'life2 $crate::Cursor>,
        ) -> $crate::__Future<'async_trait, $crate::Result<$crate::Page<$crate::TokenKey>>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::Enumerate as _;
            $($place)+.list_keys(namespace, after)
        }
    };
    (@list_namespaces $self:ident [$($place:tt)+]) => {
        fn list_namespaces<'life0, 'life1, 'async_trait>(
            &'life0 $self,
            after: ::std::option::Option<&'life1 $crate::Cursor>,
        ) -> $crate::__Future<'async_trait, $crate::Result<$crate::Page<::std::string::String>>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::Enumerate as _;
            $($place)+.list_namespaces(after)
        }
    };

    (@list_outlines $self:ident [$($place:tt)+]) => {
        fn list_outlines<'life0, 'life1, 'life2, 'life3, 'async_trait>(
            &'life0 $self,
            namespace: &'life1 str,
            after: ::std::option::Option<&'life2 $crate::Cursor>,
            show: &'life3 $crate::ShowOutline,
        ) -> $crate::__Future<'async_trait, $crate::Result<::std::option::Option<$crate::Page<$crate::ShownOutline>>>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            'life3: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::Enumerate as _;
            $($place)+.list_outlines(namespace, after, show)
        }
    };

    // RefreshLease
    (@try_acquire $self:ident [$($place:tt)+]) => {
        fn try_acquire<'life0, 'life1, 'async_trait>(
            &'life0 $self,
            key: &'life1 $crate::TokenKey,
        ) -> $crate::__Future<'async_trait, $crate::Result<$crate::Acquisition>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::RefreshLease as _;
            $($place)+.try_acquire(key)
        }
    };
    (@try_begin $self:ident [$($place:tt)+]) => {
        fn try_begin<'life0, 'life1, 'life2, 'async_trait>(
            &'life0 $self,
            key: &'life1 $crate::TokenKey,
            revision: $crate::Revision,
            intent: ::std::option::Option<&'life2 $crate::Intent>,
        ) -> $crate::__Future<'async_trait, $crate::Result<$crate::Begin>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::RefreshLease as _;
            $($place)+.try_begin(key, revision, intent)
        }
    };
    (@look $self:ident [$($place:tt)+]) => {
        fn look<'life0, 'life1, 'async_trait>(
            &'life0 $self,
            key: &'life1 $crate::TokenKey,
        ) -> $crate::__Future<'async_trait, $crate::Result<::std::option::Option<$crate::LeaseView>>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::RefreshLease as _;
            $($place)+.look(key)
        }
    };

    // LeaseGuard
    (@intent $self:ident [$($place:tt)+]) => {
        fn intent(&$self) -> ::std::option::Option<&$crate::Intent> {
            #[allow(unused_imports)]
            use $crate::LeaseGuard as _;
            $($place)+.intent()
        }
    };
    (@remaining $self:ident [$($place:tt)+]) => {
        fn remaining(&$self) -> ::std::option::Option<::std::time::Duration> {
            #[allow(unused_imports)]
            use $crate::LeaseGuard as _;
            $($place)+.remaining()
        }
    };
    (@renew $self:ident [$($place:tt)+]) => {
        $crate::__forward!(@guard renew $self [$($place)+]);
    };
    (@clear_intent $self:ident [$($place:tt)+]) => {
        $crate::__forward!(@guard clear_intent $self [$($place)+]);
    };
    (@guard $method:ident $self:ident [$($place:tt)+]) => {
        fn $method<'life0, 'async_trait>(&'life0 mut $self) -> $crate::__Future<'async_trait, $crate::Result<()>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::LeaseGuard as _;
            $($place)+.$method()
        }
    };
    (@record_intent $self:ident [$($place:tt)+]) => {
        fn record_intent<'life0, 'life1, 'async_trait>(
            &'life0 mut $self,
            intent: &'life1 $crate::Intent,
        ) -> $crate::__Future<'async_trait, $crate::Result<()>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::LeaseGuard as _;
            $($place)+.record_intent(intent)
        }
    };
    (@release $self:ident [$($place:tt)+]) => {
        $crate::__forward!(@end release $self [$($place)+]);
    };
    (@finish $self:ident [$($place:tt)+]) => {
        $crate::__forward!(@end finish $self [$($place)+]);
    };
    (@end $method:ident $self:ident [$($place:tt)+]) => {
        fn $method<'async_trait>(
            $self: ::std::boxed::Box<Self>,
        ) -> $crate::__Future<'async_trait, $crate::Result<()>>
        where
            Self: 'async_trait,
        {
            #[allow(unused_imports)]
            use $crate::LeaseGuard as _;
            $($place)+.$method()
        }
    };
}

#[doc(inline)]
#[doc(inline)]
pub use crate::__forward as forward;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        Acquisition, Begin, Enumerate, Intent, LeaseGuard, MemoryStorage, Precondition, RefreshLease, TokenData,
        TokenKey, TokenStorage, TokenStorageExt as _, async_trait,
    };

    use super::forward;

    /// Forwards all there is, through a method, a field of a field, and what it owns.
    #[derive(Debug)]
    struct Wrapper<S>((S,));

    impl<S> Wrapper<S> {
        fn inner(&self) -> &S {
            &self.0.0
        }
    }

    #[async_trait]
    impl<S: TokenStorage> TokenStorage for Wrapper<S> {
        forward!(self.inner() => get, store_all, remove, prove_writable, describe);

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(WrappedListing(self.0.0.enumerate()?)))
        }

        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(WrappedLease(self.0.0.lease()?)))
        }
    }

    struct WrappedListing<'a>(Box<dyn Enumerate + 'a>);

    impl Enumerate for WrappedListing<'_> {
        forward!(self.0 => list_keys, list_namespaces, list_outlines);
    }

    struct WrappedLease<'a>(Box<dyn RefreshLease + 'a>);

    #[async_trait]
    impl RefreshLease for WrappedLease<'_> {
        forward!(self.0 => try_begin, look);

        async fn try_acquire(&self, key: &TokenKey) -> crate::Result<Acquisition> {
            let acquired = self.0.try_acquire(key).await?;
            Ok(acquired.map(|guard| Box::new(WrappedGuard { guard })))
        }
    }

    #[derive(Debug)]
    struct WrappedGuard {
        guard: Box<dyn LeaseGuard>,
    }

    impl LeaseGuard for WrappedGuard {
        forward!(
            self.guard => intent, remaining, renew, record_intent, clear_intent, release, finish,
        );
    }

    #[tokio::test]
    async fn everything_reaches_what_is_wrapped() {
        let memory = MemoryStorage::new();
        let storage = Wrapper((memory.clone(),));
        let (key, data) = (TokenKey::new("ns", "rs"), TokenData::new("rs", "", "at"));
        let revision = storage.store(&key, &data, Precondition::Absent).await.unwrap();
        assert_eq!(memory.get(&key).await.unwrap().unwrap().revision, revision);
        storage.prove_writable(&key).await.unwrap();
        assert_eq!(storage.describe(), memory.describe());
        let listing = storage.enumerate().unwrap();
        assert_eq!(
            listing.list_keys("ns", None).await.unwrap().items,
            std::slice::from_ref(&key)
        );
        assert_eq!(listing.list_namespaces(None).await.unwrap().items, ["ns"]);

        let lease = storage.lease().unwrap();
        let Acquisition::Acquired(mut guard) = lease.try_acquire(&key).await.unwrap() else {
            panic!("nobody holds it");
        };
        guard.renew().await.unwrap();
        let intent = Intent::new(&storage.get(&key).await.unwrap().unwrap(), false, 1);
        guard.record_intent(&intent).await.unwrap();
        let look = lease.look(&key).await.unwrap();
        assert!(look.is_some_and(|view| view.held && view.intent == Some(intent)));
        guard.clear_intent().await.unwrap();
        assert_eq!((guard.intent(), guard.remaining()), (None::<&Intent>, None::<Duration>));
        guard.record_intent(&Intent::unreadable()).await.unwrap();
        guard.finish().await.unwrap();
        let begun = lease.try_begin(&key, revision, None).await.unwrap();
        assert!(matches!(begun, Begin::Tried(Acquisition::Acquired(_))));
        drop(begun);
        let look = memory.lease().unwrap().look(&key).await.unwrap();
        assert!(look.is_some_and(|view| view.intent.is_none()));

        assert!(storage.remove(&key, Precondition::Unchanged(revision)).await.unwrap());
        assert_eq!(memory.get(&key).await.unwrap(), None);
    }
}
