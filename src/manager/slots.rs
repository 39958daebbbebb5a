use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use token_storage_core::TokenKey;

use super::{refreshing::Told, slot::Slot};

/// The slots of a manager, by key. Those that nobody needs any more are dropped now and then, so that a service does not
/// remember everyone who ever logged in.
#[derive(Debug, Default)]
pub(super) struct Slots(RwLock<Map>);

#[derive(Debug, Default)]
struct Map {
    slots: HashMap<TokenKey, Arc<Slot>>,
    /// How many were left by the last clearing.
    kept: usize,
}

/// Fewer than this are not worth clearing.
const MANY: usize = 1024;

impl Slots {
    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be done at once with the slot of a key, if there is one: nobody gets a new slot meanwhile.
    pub(super) fn with<T>(&self, key: &TokenKey, work: impl FnOnce(&Arc<Slot>) -> T) -> Option<T> {
        self.read().slots.get(key).map(work)
    }

    pub(super) fn get_or_insert(
        &self,
        key: &TokenKey,
        new: impl FnOnce() -> Arc<Slot>,
        is_idle: impl Fn(&Slot) -> bool,
    ) -> Arc<Slot> {
        if let Some(slot) = self.with(key, Arc::clone) {
            return slot;
        }
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Clearing whenever their number has doubled costs next to nothing for each.
        if map.slots.len() >= MANY.max(map.kept * 2) {
            map.slots
                .retain(|_, slot| Arc::strong_count(slot) > 1 || !is_idle(slot));
            map.kept = map.slots.len();
        }
        map.slots.entry(key.clone()).or_insert_with(new).clone()
    }

    /// All refreshes under way.
    pub(super) fn flights(&self) -> Vec<Told> {
        self.read().slots.values().filter_map(|slot| slot.flight()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn idle_slots_are_dropped_and_those_in_use_are_kept() {
        let slots = Slots::default();
        let get = |n: usize| {
            let key = TokenKey::in_default(n.to_string());
            slots.get_or_insert(&key, || Arc::new(Slot::new(key.clone(), Duration::ZERO)), |_| true)
        };
        let held = get(0);
        for n in 1..10 * MANY {
            get(n);
        }
        assert!(slots.read().slots.len() <= 2 * MANY);
        assert!(Arc::ptr_eq(&held, &get(0)));
    }
}
