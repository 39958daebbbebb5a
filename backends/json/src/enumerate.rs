//! Listing keys and namespaces out of one snapshot.

use token_storage_core::{Cursor, Enumerate, ErrorContext as _, Operation, Page, Result, TokenKey, async_trait};

use crate::{
    JsonStorage,
    document::{Members, Namespace},
    error, shared,
};

const PAGE: usize = 256;

#[async_trait]
impl Enumerate for &JsonStorage {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let snapshot = self.content().await.during(Operation::List)?;
        let shared = &self.inner.shared;
        let document = shared::document(shared, &snapshot).during(Operation::List)?;
        match document.and_then(|document| document.namespaces().get(namespace)) {
            None => Ok(Page::after(std::iter::empty(), after, PAGE, TokenKey::resource_server)),
            Some(Namespace::Damaged(_)) => Err(error::namespace(&shared.path, namespace)).during(Operation::List),
            Some(Namespace::Records(records)) => {
                let mut page = page(records, after, |name| TokenKey::new(namespace, name));
                if after.is_none() {
                    page.unnameable = records.unnameable() as u64;
                }
                Ok(page)
            }
        }
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let snapshot = self.content().await.during(Operation::List)?;
        let Some(document) = shared::document(&self.inner.shared, &snapshot).during(Operation::List)? else {
            return Ok(Page::after(std::iter::empty(), after, PAGE, String::as_str));
        };
        let namespaces = document.namespaces();
        // An emptied namespace stays in the file, as with Python, but is not one that holds records.
        let holds_records = |name: &&str| match namespaces.get(name) {
            Some(Namespace::Records(records)) => records.len() > 0,
            Some(Namespace::Damaged(_)) => true,
            None => false,
        };
        let names = namespaces
            .sorted_names()
            .iter()
            .map(|name| &**name)
            .filter(holds_records);
        let mut page = Page::after(names.map(str::to_owned), after, PAGE, String::as_str);
        if after.is_none() {
            page.unnameable = namespaces.unnameable() as u64;
        }
        Ok(page)
    }
}

/// Starts at the cursor instead of skipping to it, so that listing everything stays linear.
fn page<V>(members: &Members<V>, after: Option<&Cursor>, key: impl Fn(&str) -> TokenKey) -> Page<TokenKey> {
    let names = members.sorted_names();
    let start = after.map_or(0, |cursor| names.partition_point(|name| &**name <= cursor.as_str()));
    let rest = names[start..].iter().map(|name| key(name));
    Page::after(rest, None, PAGE, TokenKey::resource_server)
}
