async function show() {
  const answer = await fetch(`${import.meta.env.VITE_API_URL}/api/products`);
  for (const name of (await answer.json()).products) {
    const item = document.createElement("li");
    item.textContent = name;
    document.querySelector("#products").append(item);
  }
}

show();
