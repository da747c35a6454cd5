-- Browsers, what they are in the middle of, and what they can do to an account.

-- One browser. It proves which one it is by `token`: as __clerk_db_jwt in the query, or as the cookie __client.
CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    sign_in_id TEXT REFERENCES sign_ins (id) ON DELETE SET NULL,
    sign_up_id TEXT REFERENCES sign_ups (id) ON DELETE SET NULL,
    last_active_session_id TEXT,  -- perhaps over by now
    last_strategy TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- One proof that is asked for: of an address, or of the person who signs in.
CREATE TABLE verifications (
    owner_id TEXT PRIMARY KEY,  -- of an address, a sign-up or a sign-in
    strategy TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('unverified', 'verified')),
    attempts INTEGER NOT NULL DEFAULT 0,
    expire_at INTEGER  -- of the code; null where none was sent
) STRICT;
CREATE TRIGGER email_addresses_deleted AFTER DELETE ON email_addresses
BEGIN DELETE FROM verifications WHERE owner_id = old.id; END;
INSERT INTO verifications (owner_id, strategy, status) SELECT id, 'admin', 'verified' FROM email_addresses;

CREATE TABLE sign_ups (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    email_address TEXT,
    username TEXT,
    first_name TEXT,
    last_name TEXT,
    locale TEXT,
    unsafe_metadata TEXT NOT NULL DEFAULT '{}',
    password_hash TEXT,
    created_user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    created_session_id TEXT,
    created_at INTEGER NOT NULL,
    abandon_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_ups_by_client ON sign_ups (client_id);
CREATE TRIGGER sign_ups_deleted AFTER DELETE ON sign_ups
BEGIN DELETE FROM verifications WHERE owner_id = old.id; END;

CREATE TABLE sign_ins (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    status TEXT NOT NULL CHECK (
        status IN ('needs_identifier', 'needs_first_factor', 'needs_new_password', 'complete')
    ),
    identifier TEXT,
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    created_session_id TEXT,
    created_at INTEGER NOT NULL,
    abandon_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_ins_by_client ON sign_ins (client_id);
CREATE TRIGGER sign_ins_deleted AFTER DELETE ON sign_ins
BEGIN DELETE FROM verifications WHERE owner_id = old.id; END;

-- Sign-in and actor tokens: whoever shows one is signed in.
CREATE TABLE tickets (
    id TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    actor TEXT,  -- JSON; who acts as the user, null for a sign-in token
    session_lifetime INTEGER,  -- seconds; null: as every other session
    status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'revoked')),
    expire_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    created_by TEXT,
    max_allowed_memberships INTEGER NOT NULL DEFAULT 5,  -- 0: any number
    admin_delete_enabled INTEGER NOT NULL DEFAULT 1,
    public_metadata TEXT NOT NULL DEFAULT '{}',
    private_metadata TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE organization_memberships (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    public_metadata TEXT NOT NULL DEFAULT '{}',
    private_metadata TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (organization_id, user_id)
) STRICT;
CREATE INDEX organization_memberships_by_user ON organization_memberships (user_id);

-- What each role permits beyond Clerk's own permissions; a role that is not here is org:admin or org:member.
CREATE TABLE roles (
    key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    permissions TEXT NOT NULL  -- JSON list
) STRICT;

ALTER TABLE sessions ADD COLUMN actor TEXT;  -- JSON; who acts as the user
ALTER TABLE sessions ADD COLUMN client_ip TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
ALTER TABLE sessions ADD COLUMN origin TEXT;  -- of the page that signed in; tokens name it as azp
ALTER TABLE sessions ADD COLUMN last_active_organization_id TEXT REFERENCES organizations (id) ON DELETE SET NULL;
CREATE INDEX sessions_by_client ON sessions (client_id);
CREATE INDEX sessions_by_end ON sessions (expire_at) WHERE status = 'active';

CREATE TABLE profile_images (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    id TEXT NOT NULL UNIQUE,
    media_type TEXT NOT NULL,
    content BLOB NOT NULL
) STRICT;
