//! `json:PATH`

use std::{path::PathBuf, sync::Arc};

use token_storage_core::{
    ErrorContext as _, Finding, Operation, Result, async_trait,
    backend::{Action, Location, Opened, Scheme, SchemeInfo, format_path, parse_path},
};
use token_storage_files::on_own_thread;

use crate::{JsonStorage, examine};

/// `json:PATH`, a JSON file; [`parse_path`] tells what is understood of a path.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonScheme;

impl Scheme for JsonScheme {
    fn describe(&self) -> SchemeInfo {
        SchemeInfo::new("json", "json:PATH", "a JSON file")
    }

    fn parse(&self, rest: &str) -> Result<Arc<dyn Location>> {
        Ok(Arc::new(JsonFile(parse_path("json", rest)?)))
    }
}

#[derive(Debug)]
struct JsonFile(PathBuf);

#[async_trait]
impl Location for JsonFile {
    fn rest(&self) -> String {
        format_path(&self.0)
    }

    async fn open(&self) -> Result<Opened> {
        let storage = JsonStorage::open(&self.0)?;
        let warnings = storage.inner.shared.warnings.0.clone();
        Ok(Opened::with_warnings(storage, warnings))
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let path = self.0.clone();
        on_own_thread(move || Ok(examine(path))).await.during(Operation::Manage)
    }

    fn action(&self, _: &str) -> Option<Box<dyn Action>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_its_path() {
        let folder = std::env::temp_dir();
        let path = folder.join("a b.json").display().to_string();
        let named = JsonScheme.parse(&path).unwrap().rest();
        assert_eq!(JsonScheme.parse(&named).unwrap().rest(), named);
        assert!(named.contains("b.json"), "{named}");
    }
}
