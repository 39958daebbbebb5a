// npm's `oidc-provider` on loopback, as strict as FAPI 2.0: PAR (RFC 9126) and DPoP (RFC 9449) are required, and its one client
// signs (`private_key_jwt`). Takes the client's public JWK as argument, prints its issuer and runs until its standard input
// ends. For the check: GET /_test/counts, POST /_test/revoke; and POST /_test/hold, after which each answer to a refresh is
// held, and told of by a line `held`, until POST /_test/release.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
const counts = { refreshes: 0, pushed: 0, proofs: 0 };
const grants = [];
let held = null;

function hold() {
  held = {};
  held.over = new Promise((release) => { held.release = release; });
}

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'signing',
    application_type: 'native',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [JSON.parse(process.argv[2])] },
    redirect_uris: ['http://127.0.0.1:8400/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    dpop_bound_access_tokens: true,
    require_pushed_authorization_requests: true,
  }],
  features: {
    devInteractions: { enabled: false },
    dPoP: { enabled: true },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
    revocation: { enabled: true },
    userinfo: { enabled: true },
  },
  clientAuthMethods: ['private_key_jwt'],
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  cookies: { keys: ['a key of this check only'] },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
});

provider.use(async (ctx, next) => {
  if (ctx.path === '/_test/counts') {
    ctx.body = counts;
  } else if (ctx.path === '/_test/revoke') {
    for (const id of grants) await (await provider.Grant.find(id))?.destroy();
    ctx.body = 'done';
  } else if (ctx.path === '/_test/hold') {
    hold();
    ctx.body = 'done';
  } else if (ctx.path === '/_test/release') {
    held.release();
    held = null;
    ctx.body = 'done';
  } else if (ctx.path.startsWith('/interaction/')) {
    await interact(ctx);
  } else {
    await next();
    if (ctx.path === '/request' && ctx.status === 201) counts.pushed += 1;
    if (ctx.get('dpop') && ctx.status < 300) counts.proofs += 1;
    if (ctx.path === '/token' && ctx.oidc?.params?.grant_type === 'refresh_token') {
      counts.refreshes += 1;
      if (held) {
        console.log('held');
        await held.over;
      }
    }
  }
});

async function interact(ctx) {
  const { prompt, params } = await provider.interactionDetails(ctx.req, ctx.res);
  let result = { login: { accountId: 'ada' } };
  if (prompt.name === 'consent') {
    const grant = new provider.Grant({ accountId: 'ada', clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    const grantId = await grant.save();
    grants.push(grantId);
    result = { consent: { grantId } };
  }
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }));
}

server.on('request', provider.callback());
console.log(issuer);
process.stdin.on('end', () => process.exit(0)).resume();
