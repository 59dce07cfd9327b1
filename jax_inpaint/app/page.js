// Keys and the clipboard, which Gradio's editor and file field leave to the page.
(() => {
  const shown = (selector, root = document) =>
    [...root.querySelectorAll(selector)].find((element) => element.getClientRects().length);
  const editor = () => shown("#hole") ?? shown("#sketch");
  const press = (button) => {
    if (!button || button.disabled) return false;
    button.click();
    return true;
  };
  const typing = (target) =>
    target.isContentEditable ||
    (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "range" && target.type !== "checkbox");

  // The slider is there only while it is shown, so this shows it for a moment.
  let hiding;
  const resizeBrush = (factor) => {
    const button = shown("[aria-label='Brush Size'], [aria-label='Eraser Size']", editor());
    if (!button) return;
    const slider = () => editor().querySelector(".size_picker input[type=range]");
    const change = () => {
      const field = slider();
      if (!field) return;
      const size = Number(field.value);
      const larger = factor > 1 ? Math.max(size + 1, size * factor) : size * factor;
      field.value = Math.round(Math.min(field.max, Math.max(field.min, larger)));
      field.dispatchEvent(new Event("input", { bubbles: true }));
    };
    if (!slider()) button.click();
    setTimeout(change, 30);
    clearTimeout(hiding);
    hiding = setTimeout(() => slider() && button.click(), 1000);
  };

  addEventListener("keydown", (event) => {
    if (typing(event.target)) return;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const undo = command && key === "z" && !event.shiftKey;
    const redo = command && (key === "y" || (key === "z" && event.shiftKey));
    let done = true;
    if (undo) done = press(shown("[aria-label='Undo']", editor()));
    else if (redo) done = press(shown("[aria-label='Redo']", editor()));
    else if (command && key === "enter") done = press(shown("#fill"));
    else if (command && key === "backspace") done = press(shown("#undo"));
    else if (!command && (key === "[" || key === "]")) resizeBrush(key === "]" ? 1.25 : 0.8);
    else done = false;
    if (done) event.preventDefault();
  });

  addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    const field = document.querySelector("#open input[type=file]");
    if (!files.length || !field || typing(event.target)) return;
    const transfer = new DataTransfer();
    transfer.items.add(files[0]);
    field.files = transfer.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    event.preventDefault();
  });
})();
