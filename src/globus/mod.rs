//! [Globus](https://www.globus.org): its addresses, the files in which its Python SDK keeps an application's tokens, its
//! scopes, and the groups of a person.
//!
//! ```no_run
//! use token_storage::{globus::{Access, Environment, FileFormat, login_options, scopes}, oauth::{HttpClient, OAuthClient}};
//!
//! # async fn example(client_id: &str, read_line: fn() -> String) -> Result<(), Box<dyn std::error::Error>> {
//! let globus = Environment::from_variables()?;
//! let client = OAuthClient::new(HttpClient::new()?, globus.provider(), client_id);
//! let options = login_options(scopes::VIEW_MY_GROUPS, Access::Offline, Some("my application"));
//! let login = client.begin_login(&options, &globus.code_page())?;
//! println!("Please authenticate with Globus here:\n{}", login.url());
//! let response = login.finish_with_pasted(&read_line()).await?;
//! // Where a GlobusApp of this name and client looks for it.
//! let file = globus.token_file(client_id, "my application", FileFormat::Json)?;
//! # Ok(()) }
//! ```
//!
//! A service that calls others on behalf of whoever called it gets their tokens by [`dependent_tokens`]; the several
//! tokens of one answer (`other_tokens`) come with every [`TokenResponse`](crate::TokenResponse).

mod dependent;
mod environment;
mod files;
mod groups;
mod native;
pub mod scopes;

pub use dependent::dependent_tokens;
pub use environment::Environment;
pub use files::FileFormat;
pub use groups::Group;
pub use native::{Access, login_options};
