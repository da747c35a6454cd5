/** A ticket with its stub. */
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M5 6h22a2 2 0 0 1 2 2v4.5a3.5 3.5 0 0 0 0 7V24a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-4.5a3.5 3.5 0 0 0 0-7V8a2 2 0 0 1 2-2z" />
      <path className="logo-line" d="M12 7.5v17" strokeWidth="2" strokeDasharray="2 3" />
      <path className="logo-line" d="M17 13h7M17 19h5" strokeWidth="2.2" strokeLinecap="round" />
    </svg>
  );
}
