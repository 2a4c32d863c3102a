"use client";

import { type FormEvent, useCallback, useEffect, useState } from "react";

type Message = { id: number; text: string; created_at: string };

export function Messages({ apiUrl }: { apiUrl: string }) {
  const [messages, setMessages] = useState<Message[] | null>(null);
  const [error, setError] = useState<string | null>(null);

  const attempt = useCallback(
    async (request?: RequestInit) => {
      try {
        if (request) await answer(await fetch(`${apiUrl}/messages`, request));
        setMessages(await answer(await fetch(`${apiUrl}/messages`)));
        setError(null);
      } catch (reason) {
        setError(`The API does not answer: ${reason}`);
      }
    },
    [apiUrl],
  );

  useEffect(() => {
    void attempt();
  }, [attempt]);

  function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const text = new FormData(form).get("text");
    form.reset();
    void attempt({
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text }),
    });
  }

  return (
    <>
      <form onSubmit={send}>
        <input name="text" aria-label="Message" required maxLength={4096} />
        <button>Send</button>
      </form>
      {error && <p role="alert">{error}</p>}
      {messages?.length === 0 && <p>No messages yet.</p>}
      <ul id="messages">
        {messages?.map((message) => (
          <li key={message.id}>
            {message.text} <time>{new Date(message.created_at).toLocaleString()}</time>
          </li>
        ))}
      </ul>
    </>
  );
}

async function answer(response: Response) {
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}
