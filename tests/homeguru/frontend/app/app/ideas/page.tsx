// Rendered at build, then anew once it is a second old: Next.js keeps what it rendered on its disk.
export const revalidate = 1;

export default function Ideas() {
  return (
    <main>
      <h1>Ideas of the day</h1>
      <p>
        As of <time id="rendered">{new Date().toISOString()}</time>
      </p>
    </main>
  );
}
