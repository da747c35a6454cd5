/** A ticket that Clerk keeps, and the stub with the row's number that we keep. */
export function TornTicket() {
  return (
    <svg className="torn" viewBox="0 0 520 190" aria-hidden="true">
      <g transform="rotate(-3 90 100)">
        <path
          className="torn-paper"
          d="M14 28h122v10l8 9-8 9 8 9-8 9 8 9-8 9 8 9-8 9 8 9-8 9 8 9-8 9v10H14a10 10 0 0 1-10-10V38a10 10 0 0 1 10-10z"
        />
        <text className="torn-name" x="24" y="80">
          user_id
        </text>
        <text className="torn-serial" x="22" y="128">
          42
        </text>
      </g>
      <g transform="rotate(1.5 340 100)">
        <path
          className="torn-paper"
          d="M170 28h326a10 10 0 0 1 10 10v38a18 18 0 0 0 0 36v38a10 10 0 0 1-10 10H170v-10l8-9-8-9 8-9-8-9 8-9-8-9 8-9-8-9 8-9-8-9 8-9-8-9z"
        />
        <text className="torn-name" x="204" y="66">
          email
        </text>
        <text x="204" y="88">
          ada@example.com
        </text>
        <text className="torn-name" x="204" y="120">
          session
        </text>
        <text x="204" y="142">
          good for 60 seconds
        </text>
      </g>
    </svg>
  );
}
