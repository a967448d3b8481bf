;;; midfill.el --- Inline completions from Midfill for lsp-mode  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1") (lsp-mode "10.0.0"))
;; Keywords: convenience, languages, tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Registers Midfill's language server with lsp-mode, whose
;; `lsp-inline-completion-mode' then shows its completions as ghost text:
;;
;;     (require 'midfill)
;;     (add-hook 'prog-mode-hook #'lsp-deferred)
;;
;; It is an add-on: it runs beside the language's own server.  C-<return>
;; accepts a completion, C-n and C-p show the next and the previous one, and
;; M-x lsp-inline-completion-display asks for several.  No key is bound here; to
;; accept with Tab, and a word or a line alone:
;;
;;     (define-key lsp-inline-completion-active-map (kbd "TAB")
;;                 #'lsp-inline-completion-accept)
;;     (define-key lsp-inline-completion-active-map (kbd "M-f")
;;                 #'midfill-accept-word)
;;     (define-key lsp-inline-completion-active-map (kbd "C-e")
;;                 #'midfill-accept-line)
;;
;; Eglot knows no inline completion up to Emacs 30.2: it can start the server,
;;
;;     (add-to-list 'eglot-server-programs
;;                  '(python-mode . ("midfill" "serve" "--stdio")))
;;
;; but shows nothing of it, and it runs one server for a buffer, so that this
;; would take the place of the language's own.

;;; Code:

(require 'lsp-mode)
(require 'lsp-inline-completion)

(defgroup midfill nil
  "Code completion from a model of your own."
  :group 'lsp-mode
  :prefix "midfill-")

(defcustom midfill-enable t
  "Whether the server is started for the buffers that follow."
  :type 'boolean)

(defcustom midfill-server-command '("midfill" "serve" "--stdio")
  "The server's program and its arguments."
  :type '(repeat string))

(defcustom midfill-modes '(prog-mode)
  "Major modes that get completions, with all that are derived from them."
  :type '(repeat symbol))

(defcustom midfill-settings nil
  "The server's settings, as a property list of its sections.
For example (:completion (:maxLineTokens 32) :log (:level \"debug\"))."
  :type '(plist :key-type symbol))

(defcustom midfill-idle-delay 0.1
  "Seconds without a key after which a completion is asked for.
They follow those of `lsp-idle-delay', which belongs to all of lsp-mode.  nil
keeps `lsp-inline-completion-idle-delay'."
  :type '(choice number (const :tag "As lsp-mode" nil)))

(defvar midfill-status nil
  "What the server said last of itself: a string, or nil before that.")

(defvar midfill-mode-line '(:eval (midfill--mode-line))
  "The state of Midfill, in the mode lines of the buffers that it serves.")
(put 'midfill-mode-line 'risky-local-variable t)

(defun midfill--workspace ()
  "Return the workspace of Midfill that serves this buffer, or nil."
  (seq-find (lambda (workspace)
              (eq 'midfill (lsp--client-server-id
                            (lsp--workspace-client workspace))))
            (lsp-workspaces)))

(defun midfill--mode-line ()
  "Return the text of the mode line, empty in buffers that are not served."
  (if (and midfill-status (bound-and-true-p lsp-mode) (midfill--workspace))
      (concat " Midfill:" midfill-status)
    ""))

(defun midfill--wanted-p (_file mode)
  "Tell whether buffers of major mode MODE get completions."
  (and midfill-enable (apply #'provided-mode-derived-p mode midfill-modes)))

;;; What the server says

(defun midfill--status-changed (_workspace params)
  "Keep the state that the notification midfill/status brings in PARAMS."
  (let ((state (lsp-get params :state))
        (percent (lsp-get params :percent)))
    (setq midfill-status
          (if (numberp percent) (format "%s %d%%" state (round percent)) state))
    (force-mode-line-update t)))

(defun midfill--action-wanted (workspace params)
  "Do what a button of a message of WORKSPACE asks for in PARAMS."
  (pcase (lsp-get params :action)
    ("showLog" (midfill-show-log workspace))
    ("runDoctor" (midfill-run-doctor))))

(defun midfill-show-log (&optional workspace)
  "Show what the server of this buffer, or of WORKSPACE, has logged."
  (interactive)
  (let ((workspace (or workspace (midfill--workspace)
                       (user-error "Midfill does not serve this buffer"))))
    (display-buffer
     (or (get-buffer (format "*%s::stderr*"
                             (process-name (lsp--workspace-proc workspace))))
         (user-error "Midfill has logged nothing")))))

(defun midfill-run-doctor ()
  "Check whether completion can work on this machine, in a buffer of its own."
  (interactive)
  (async-shell-command
   (concat (shell-quote-argument (car midfill-server-command)) " doctor")
   "*midfill doctor*"))

;;; What is sent to the server

(defun midfill--report (command accepted)
  "Tell the server that ACCEPTED characters were accepted of an item of COMMAND.
They are counted from the item's beginning."
  (when-let* ((workspace (midfill--workspace))
              (arguments (lsp-get command :arguments)))
    (with-lsp-workspace workspace
      (lsp-request-async
       "workspace/executeCommand"
       (list :command "midfill.accepted"
             :arguments (vector (list :id (lsp-get (elt arguments 0) :id)
                                      :acceptedChars accepted)))
       #'ignore :mode 'detached :error-handler #'ignore))))

(defun midfill--total (command)
  "Return how many characters the whole item of COMMAND has."
  (or (lsp-get (elt (lsp-get command :arguments) 0) :acceptedChars) 0))

(defun midfill--accepted (command)
  "Tell the server that all of the item of COMMAND was accepted.
lsp-mode calls it, so that the report does not wait for the server, and goes to
no other server of the buffer."
  (midfill--report command (midfill--total command)))

;;; Accepting a part

(defun midfill--accept-head (regexp)
  "Accept the beginning of the shown completion that REGEXP matches.
The rest stays shown."
  (unless (lsp-inline-completion--active-p)
    (user-error "No completion is shown"))
  (let* ((item (elt lsp-inline-completion--items lsp-inline-completion--current))
         (text (lsp-get item :insertText))
         (range (lsp-get item :range))
         (start (if range
                    (lsp--position-to-point (lsp-get range :start))
                  lsp-inline-completion--start-point))
         (end (if range (lsp--position-to-point (lsp-get range :end)) start))
         (length (if (string-match (concat "\\`" regexp) text)
                     (match-end 0)
                   (length text))))
    (if (or (>= length (length text)) (/= start lsp-inline-completion--start-point))
        (lsp-inline-completion-accept)
      (lsp-inline-completion--clear-overlay)
      (goto-char start)
      (insert (substring text 0 length))
      (midfill--show-rest item (substring text length) (+ end length)))))

(defun midfill--show-rest (item rest end)
  "Show REST of ITEM at point, in the place of the text up to END."
  (let* ((command (lsp-get item :command))
         (position (lambda (point)
                     (let ((place (lsp--point-to-position point)))
                       (lsp-make-position :line (plist-get place :line)
                                          :character (plist-get place :character)))))
         (range (lsp-make-range :start (funcall position (point))
                                :end (funcall position end))))
    (when command
      (midfill--report command (- (midfill--total command) (length rest))))
    (setq lsp-inline-completion--items
          (list (lsp-make-inline-completion-item
                 :insertText rest :range? range :command? command))
          lsp-inline-completion--current 0
          lsp-inline-completion--start-point (point))
    (lsp-inline-completion-show-overlay)))

;;;###autoload
(defun midfill-accept-word ()
  "Accept the next word of the shown completion."
  (interactive)
  (midfill--accept-head "[[:space:]]*\\(?:[[:alnum:]_]+\\|[^[:alnum:]_[:space:]]+\\)"))

;;;###autoload
(defun midfill-accept-line ()
  "Accept the shown completion up to the end of its next line that is not empty."
  (interactive)
  (midfill--accept-head "\\(?:[[:space:]]*\n\\)*.*"))

;; Other commands take the ghost text away before they run.
(put 'midfill-accept-word 'lsp-inline-completion-keep t)
(put 'midfill-accept-line 'lsp-inline-completion-keep t)

;;; Registration

(defun midfill--initialized (workspace)
  "Make up for what lsp-mode loses of the capabilities of WORKSPACE.
Where it reads JSON into property lists, an empty object is nil."
  (lsp:set-server-capabilities-inline-completion-provider?
   (lsp--workspace-server-capabilities workspace) t))

(defun midfill--opened ()
  "Set the delay of a buffer that Midfill serves."
  (when (and midfill-idle-delay (midfill--workspace))
    (setq-local lsp-inline-completion-idle-delay midfill-idle-delay)))

(add-hook 'lsp-after-open-hook #'midfill--opened)
(add-to-list 'mode-line-misc-info '("" midfill-mode-line) t)

(lsp-register-client
 (make-lsp-client
  :server-id 'midfill
  :new-connection (lsp-stdio-connection (lambda () midfill-server-command))
  :activation-fn #'midfill--wanted-p
  :add-on? t
  :multi-root t
  :priority -2
  :completion-in-comments? t
  :initialization-options (lambda ()
                            (list :midfill (or midfill-settings (lsp-ht))))
  :custom-capabilities '((experimental
                          . ((midfill . ((status . t) (actions . t))))))
  :initialized-fn #'midfill--initialized
  :action-handlers (lsp-ht ("midfill.accepted" #'midfill--accepted))
  :notification-handlers (lsp-ht ("midfill/status" #'midfill--status-changed)
                                 ("midfill/action" #'midfill--action-wanted))))

(provide 'midfill)
;;; midfill.el ends here
