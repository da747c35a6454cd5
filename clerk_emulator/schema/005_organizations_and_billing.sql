CREATE TABLE organization_invitations (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    email_address TEXT NOT NULL,
    role TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'revoked', 'expired')),
    inviter_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    user_id TEXT,  -- who accepted
    public_metadata TEXT NOT NULL DEFAULT '{}',
    private_metadata TEXT NOT NULL DEFAULT '{}',
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX organization_invitations_by_organization ON organization_invitations (organization_id, created_at);

CREATE TABLE organization_domains (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    enrollment_mode TEXT NOT NULL,
    verified INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (organization_id, name)
) STRICT;

CREATE TABLE permissions (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    type TEXT NOT NULL CHECK (type IN ('system', 'user')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO permissions SELECT
    'perm_' || substr(hex(randomblob(14)), 2), key, name, '', 'system', unixepoch() * 1000, unixepoch() * 1000
FROM (
    SELECT column1 AS key, column2 AS name FROM (VALUES
        ('org:sys_profile:manage', 'Manage organization'), ('org:sys_profile:delete', 'Delete organization'),
        ('org:sys_memberships:read', 'Read members'), ('org:sys_memberships:manage', 'Manage members'),
        ('org:sys_domains:read', 'Read domains'), ('org:sys_domains:manage', 'Manage domains'),
        ('org:sys_billing:read', 'Read billing'), ('org:sys_billing:manage', 'Manage billing')
    )
);

-- Clerk's own two are rows as well now. What they are made for is not among their permissions, which are JSON.
ALTER TABLE roles RENAME TO earlier_roles;
CREATE TABLE roles (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    permissions TEXT NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO permissions SELECT
    'perm_' || substr(hex(randomblob(14)), 2), value, value, '', 'user', unixepoch() * 1000, unixepoch() * 1000
FROM (SELECT DISTINCT value FROM earlier_roles, json_each(permissions))
WHERE value NOT IN (SELECT key FROM permissions);
INSERT INTO roles (id, key, name, permissions, created_at, updated_at) SELECT
    'role_' || substr(hex(randomblob(14)), 2), key, name, permissions, unixepoch() * 1000, unixepoch() * 1000
FROM (
    SELECT key, name, permissions FROM earlier_roles
    UNION ALL SELECT * FROM (VALUES ('org:admin', 'Admin', '[]'), ('org:member', 'Member', '[]'))
    WHERE column1 NOT IN (SELECT key FROM earlier_roles)
);
DROP TABLE earlier_roles;

CREATE TABLE waitlist_entries (
    id TEXT PRIMARY KEY,
    email_address TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'invited', 'rejected', 'completed')),
    invitation_id TEXT,
    invited_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE plans (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL,
    for_payer_type TEXT NOT NULL CHECK (for_payer_type IN ('user', 'org')),
    name TEXT NOT NULL,
    amount INTEGER NOT NULL,  -- cents a month
    created_at INTEGER NOT NULL,
    UNIQUE (slug, for_payer_type)
) STRICT;

CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    payer_id TEXT NOT NULL UNIQUE,
    user_id TEXT UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    organization_id TEXT UNIQUE REFERENCES organizations (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    active_at INTEGER,
    past_due_at INTEGER,
    canceled_at INTEGER,
    ended_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((user_id IS NULL) <> (organization_id IS NULL))
) STRICT;

CREATE TABLE subscription_items (
    id TEXT PRIMARY KEY,
    subscription_id TEXT NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    plan_id TEXT NOT NULL REFERENCES plans (id),
    plan_period TEXT NOT NULL CHECK (plan_period IN ('month', 'annual')),
    status TEXT NOT NULL,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    past_due_at INTEGER,
    canceled_at INTEGER,
    ended_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX subscription_items_by_subscription ON subscription_items (subscription_id);
